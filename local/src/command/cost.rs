//! What a number of users cost in a month: the measured costs of `docs/costs.md`, times an assumed use, times
//! the list prices of AWS.

use anyhow::{Context, Result};
use clap::Args;

/// The measured cost of every function. The tests of `shared` keep it true.
const COSTS: &str = include_str!("../../../docs/costs.md");

/// The assumed time that a function takes: at 256 MB, the processor time of a call, and then each sequential
/// call to the table or to a connection.
const PROCESSOR_MS: f64 = 12.0;
const ROUND_TRIP_MS: f64 = 6.0;
/// `MemorySize` in `template.yaml`.
const MEMORY_GB: f64 = 0.25;
/// The bytes of a function's log line, with those of the access log of the HTTP API.
const LOG_BYTES: f64 = 600.0;
/// The stored bytes of a message of 400 characters.
const MESSAGE_BYTES: f64 = 800.0;
const DAYS: f64 = 30.0;
const BYTES_PER_GB: f64 = 1e9;

/// List prices in US dollars: on-demand, `us-east-1`, arm64, first tier, November 2026.
mod price {
    pub const READ_UNIT: f64 = 0.125 / 1e6;
    pub const WRITE_UNIT: f64 = 0.625 / 1e6;
    pub const STORED_GB_MONTH: f64 = 0.25;
    pub const BACKUP_GB_MONTH: f64 = 0.20;
    pub const HTTP_CALL: f64 = 1.00 / 1e6;
    pub const FRAME: f64 = 1.00 / 1e6;
    pub const CONNECTED_MINUTE: f64 = 0.25 / 1e6;
    pub const INVOCATION: f64 = 0.20 / 1e6;
    pub const GB_SECOND: f64 = 0.000_013_333_4;
    pub const LOGGED_GB: f64 = 0.50;
}

/// How users use the app. Each number is per user and day.
#[derive(Clone, Debug, Args)]
pub struct Use {
    /// The number of users who open the app on a day.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000.0, value_parser = amount)]
    users: f64,
    /// Messages to one user.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = amount)]
    direct_messages: f64,
    /// Messages to a group of ten.
    #[arg(long, value_name = "NUMBER", default_value_t = 5.0, value_parser = amount)]
    group_messages: f64,
    /// How often the app is opened: it connects, syncs, loads friends, and shows two conversations.
    #[arg(long, value_name = "NUMBER", default_value_t = 8.0, value_parser = amount)]
    opens: f64,
    /// Minutes that the app is connected.
    #[arg(long, value_name = "NUMBER", default_value_t = 40.0, value_parser = amount)]
    minutes: f64,
    /// Receipts per message and member. Clients combine the receipts of three seconds.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.5, value_parser = amount)]
    receipts: f64,
}

fn amount(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| (0.0..=1e12).contains(number))
        .ok_or("expected a number".to_owned())
}

/// A row of the table of functions.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    round_trips: f64,
    reads: f64,
    writes: f64,
    frames: f64,
}

/// The measured cost of a function in a case.
fn measured(function: &str, case: &str) -> Result<Measured> {
    let rows = COSTS.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let name = format!("`{function}`");
    let mut found = rows.filter(|cells| cells.get(1) == Some(&name.as_str()) && cells.get(2) == Some(&case));
    let cells = found.next().with_context(|| format!("docs/costs.md has no row for {function}, {case}"))?;
    let number = |column: usize| cells.get(column).and_then(|cell| cell.parse().ok());
    let row = || {
        let [round_trips, reads, writes, frames] = [number(3)?, number(4)?, number(5)?, number(6)?];
        Some(Measured { round_trips, reads, writes, frames })
    };
    row().with_context(|| format!("docs/costs.md has no numbers for {function}, {case}"))
}

/// What is paid for, in one day of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amounts {
    reads: f64,
    writes: f64,
    http_calls: f64,
    frames: f64,
    invocations: f64,
    gb_seconds: f64,
}

impl Amounts {
    /// Adds calls of a function. Frames that clients send are paid like those that they receive.
    fn add(&mut self, calls: f64, function: &str, case: &str) -> Result<()> {
        let cost = measured(function, case)?;
        self.reads += calls * cost.reads;
        self.writes += calls * cost.writes;
        self.frames += calls * cost.frames;
        self.invocations += calls;
        self.gb_seconds += calls * (PROCESSOR_MS + cost.round_trips * ROUND_TRIP_MS) / 1000.0 * MEMORY_GB;
        match function {
            "socket-authorize" | "socket-connect" | "socket-disconnect" => {}
            function if function.starts_with("socket-") => self.frames += calls,
            _ => self.http_calls += calls,
        }
        Ok(())
    }

    fn of(daily: &Use) -> Result<Self> {
        let mut amounts = Self::default();
        for (function, case, calls) in [
            ("socket-authorize", "", 1.0),
            ("socket-connect", "", 1.0),
            ("socket-hello", "13 friends are notified", 1.0),
            ("socket-disconnect", "13 friends are notified", 1.0),
            ("users-get-me", "later visits", 1.0),
            ("chat-sync", "16 rooms, up to date", 1.0),
            ("friends-list", "15 friends", 1.0),
            ("friends-list-requests", "1 request", 1.0),
            ("chat-list-messages", "50 messages", 2.0),
        ] {
            amounts.add(daily.opens * calls, function, case)?;
        }
        let pings = daily.minutes / 5.0;
        amounts.add(pings, "socket-ping", "")?;
        let kinds = [("direct room", daily.direct_messages, 1.0), ("group of 10", daily.group_messages, 9.0)];
        for (room, messages, others) in kinds {
            let receipts = messages * others * daily.receipts;
            for (function, calls) in [
                ("socket-send-message", messages),
                ("socket-typing-start", messages),
                ("socket-message-delivered", receipts),
                ("socket-message-read", receipts),
            ] {
                amounts.add(calls, function, room)?;
            }
        }
        Ok(amounts)
    }
}

/// A line of the bill.
struct Line {
    what: &'static str,
    amount: f64,
    unit: &'static str,
    dollars: f64,
}

/// The bill of a month, after a year of storing messages.
fn bill(daily: &Use) -> Result<Vec<Line>> {
    let amounts = Amounts::of(daily)?;
    let month = daily.users * DAYS;
    let messages = (daily.direct_messages + daily.group_messages) * month;
    let stored_gb = messages * 12.0 * MESSAGE_BYTES / BYTES_PER_GB;
    let logged_gb = amounts.invocations * month * LOG_BYTES / BYTES_PER_GB;
    let line = |what, amount, unit, price| Line { what, amount, unit, dollars: amount * price };
    Ok(vec![
        line("DynamoDB reads", amounts.reads * month, "units", price::READ_UNIT),
        line("DynamoDB writes", amounts.writes * month, "units", price::WRITE_UNIT),
        line("DynamoDB storage, one year", stored_gb, "GB", price::STORED_GB_MONTH + price::BACKUP_GB_MONTH),
        line("HTTP API", amounts.http_calls * month, "calls", price::HTTP_CALL),
        line("WebSocket frames", amounts.frames * month, "frames", price::FRAME),
        line("WebSocket connections", daily.minutes * month, "minutes", price::CONNECTED_MINUTE),
        line("Lambda calls", amounts.invocations * month, "calls", price::INVOCATION),
        line("Lambda time", amounts.gb_seconds * month, "GB-seconds", price::GB_SECOND),
        line("CloudWatch Logs", logged_gb, "GB", price::LOGGED_GB),
    ])
}

/// Prints the bill.
pub fn run(daily: &Use) -> Result<()> {
    let lines = bill(daily)?;
    let total: f64 = lines.iter().map(|line| line.dollars).sum();
    println!("{:<28} {:>16} {:<10} {:>12}", "per month", "amount", "", "US dollars");
    for Line { what, amount, unit, dollars } in &lines {
        println!("{what:<28} {amount:>16.0} {unit:<10} {dollars:>12.2}");
    }
    println!("{:<28} {:>16} {:<10} {total:>12.2}", "total", "", "");
    let (users, messages) =
        (daily.users, (daily.direct_messages + daily.group_messages) * daily.users * DAYS);
    println!("{:<28} {:>16} {:<10} {:>12.5}", "per user", "", "", total / users.max(1.0));
    println!("{:<28} {:>16} {:<10} {:>12.7}", "per message", "", "", total / messages.max(1.0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAILY: Use = Use {
        users: 1000.0,
        direct_messages: 0.0,
        group_messages: 0.0,
        opens: 0.0,
        minutes: 0.0,
        receipts: 0.0,
    };

    fn dollars(daily: &Use, what: &str) -> f64 {
        let lines = bill(daily).unwrap();
        lines.iter().find(|line| line.what == what).unwrap().dollars
    }

    #[test]
    fn a_message_costs_its_measured_units_and_frames() {
        let cost = measured("socket-send-message", "direct room").unwrap();
        let typing = measured("socket-typing-start", "direct room").unwrap();
        let daily = Use { direct_messages: 1.0, ..DAILY };
        let month = 30_000.0;
        let is = |what, expected: f64| assert!((dollars(&daily, what) - expected).abs() < 1e-9, "{what}");
        is("DynamoDB reads", (cost.reads + typing.reads) * month * 0.125 / 1e6);
        is("DynamoDB writes", (cost.writes + typing.writes) * month * 0.625 / 1e6);
        // The message and the typing frame are sent and received.
        is("WebSocket frames", (cost.frames + typing.frames + 2.0) * month / 1e6);
        is("Lambda calls", 2.0 * month * 0.2 / 1e6);
        is("HTTP API", 0.0);
    }

    #[test]
    fn the_document_has_the_bill_of_the_default_use() {
        #[derive(clap::Parser)]
        struct Arguments {
            #[command(flatten)]
            daily: Use,
        }
        let document = include_str!("../../../docs/deploy.md");
        let total = |arguments: &[&str]| {
            let arguments = ["cost"].iter().chain(arguments);
            let Arguments { daily } = clap::Parser::parse_from(arguments);
            let total: f64 = bill(&daily).unwrap().iter().map(|line| line.dollars).sum();
            format!("{total:.2}")
        };
        assert!(document.contains(&format!("| total | {} |", total(&[]))));
        assert!(document.contains(&format!("{} (`--group-messages 0`)", total(&["--group-messages", "0"]))));
    }

    #[test]
    fn the_bill_grows_with_the_number_of_users() {
        let daily = Use { opens: 8.0, group_messages: 5.0, minutes: 40.0, receipts: 0.5, ..DAILY };
        let total = |users| {
            bill(&Use { users, ..daily.clone() }).unwrap().iter().map(|line| line.dollars).sum::<f64>()
        };
        assert!(total(1000.0) > 1.0);
        assert!((total(10_000.0) / total(1000.0) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_memory_is_that_of_the_template() {
        let template = include_str!("../../../template.yaml");
        let memory = template.lines().find_map(|line| line.trim().strip_prefix("MemorySize: ")).unwrap();
        assert!((memory.parse::<f64>().unwrap() - MEMORY_GB * 1024.0).abs() < f64::EPSILON);
    }
}
