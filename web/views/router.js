/** Routes in the fragment of the address, so that the page works from any static server. */

/**
 * @typedef {{ view: 'rooms', archived: boolean } | { view: 'room', id: string, info: boolean }
 *   | { view: 'people', tab: 'search' | 'requests' | 'blocked' } | { view: 'person', id: string }
 *   | { view: 'new-group' } | { view: 'me', tab: 'profile' | 'privacy' }} Route
 */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
    const [first, second, third] = hash
        .replace(/^#?\/?/, "")
        .split("/")
        .map(decode);
    if (first === "r" && second) return { view: "room", id: second, info: third === "info" };
    if (first === "u" && second) return { view: "person", id: second };
    if (first === "people") return { view: "people", tab: oneOf(second, ["search", "requests", "blocked"]) };
    if (first === "new-group") return { view: "new-group" };
    if (first === "me") return { view: "me", tab: oneOf(second, ["profile", "privacy"]) };
    return { view: "rooms", archived: first === "archived" };
}

/** @param {string} part */
function decode(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return "";
    }
}

/** @template {string} T @param {string | undefined} value @param {[T, ...T[]]} known @returns {T} */
function oneOf(value, known) {
    return known.find((name) => name === value) ?? known[0];
}

/** Frames of one page share its history: going back in one would move the other. */
const isFramed = window.parent !== window;

/** @param {() => void} changed */
export function navigation(changed) {
    let current = parse(location.hash);
    const depth = () => Number(history.state?.depth ?? 0);
    const moved = () => {
        current = parse(location.hash);
        changed();
    };
    /** @param {string} path @param {{ replace?: boolean }} [options] */
    const go = (path, { replace = isFramed } = {}) => {
        if (path === location.hash) return;
        if (replace) history.replaceState({ depth: depth() }, "", path);
        else history.pushState({ depth: depth() + 1 }, "", path);
        moved();
    };
    /** @param {string} parent */
    const back = (parent) => {
        if (!isFramed && depth() > 0) history.back();
        else go(parent, { replace: true });
    };
    /** @param {MouseEvent} event */
    const followed = (event) => {
        const anchor = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
        if (!anchor || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go(anchor.getAttribute("href") ?? "#/");
    };
    addEventListener("popstate", moved);
    document.addEventListener("click", followed);
    return {
        route: () => current,
        go,
        back,
        stop: () => {
            removeEventListener("popstate", moved);
            document.removeEventListener("click", followed);
        },
    };
}
