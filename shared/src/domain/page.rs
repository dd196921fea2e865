//! Pages of a list.

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each item converted.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

/// The part of a list to read.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// The maximum number of items; `None` for all.
    pub limit: Option<usize>,
    /// The `next` of the previous page; `None` for the first page.
    pub cursor: Option<String>,
}
