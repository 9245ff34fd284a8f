//! Numbers in words: bytes, times, shares.

/// Bytes as people read them: `84 bytes`, `82.0 KB`, `28.5 MB`.
pub fn bytes(count: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    let value = count as f64;
    if count == 1 {
        "1 byte".to_owned()
    } else if count < 1000 {
        format!("{count} bytes")
    } else if value < 999_950.0 {
        format!("{:.1} KB", value / 1e3)
    } else if value < 999_950_000.0 {
        format!("{:.1} MB", value / 1e6)
    } else {
        format!("{:.1} GB", value / 1e9)
    }
}

/// A time, rounded to what matters: `3 ms`, `1.4 s`, `2 min`.
pub fn duration(ms: f64) -> String {
    if ms < 1.0 {
        "under 1 ms".to_owned()
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 99_500.0 {
        format!("{:.1} s", ms / 1e3)
    } else {
        format!("{:.0} min", ms / 6e4)
    }
}

/// A time ahead, never more exact than it can be known.
pub fn about(ms: f64) -> String {
    if ms < 1_000.0 {
        "less than a second".to_owned()
    } else if ms < 90_000.0 {
        plural((ms / 1e3).round().max(1.0), "second")
    } else {
        plural((ms / 6e4).round(), "minute")
    }
}

/// A time that counts down.
pub fn seconds(ms: f64) -> String {
    let seconds = (ms / 1e3).round().max(1.0);
    if seconds < 1.5 {
        "1 second".to_owned()
    } else {
        format!("{seconds:.0} seconds")
    }
}

fn plural(count: f64, unit: &str) -> String {
    if count < 1.5 {
        format!("about 1 {unit}")
    } else {
        format!("about {count:.0} {unit}s")
    }
}

/// How long ago something was, of which seconds matter while it is fresh.
pub fn ago(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => "just now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// How many of what: `1 picture`, `3 pictures`.
pub fn count(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// A share as a percentage; certainty is never claimed.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        "unknown".to_owned()
    } else if percent >= 99.95 {
        "over 99.9 %".to_owned()
    } else if percent < 0.05 {
        "under 0.1 %".to_owned()
    } else if !(10.0..99.0).contains(&percent) {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A moment in the reader's own calendar and clock.
pub fn moment(unix_ms: f64) -> String {
    let date = js_sys::Date::new(&unix_ms.into());
    let options = js_sys::Object::new();
    let set = |key: &str, value: &str| js_sys::Reflect::set(&options, &key.into(), &value.into());
    let set = set("dateStyle", "medium").and(set("timeStyle", "short"));
    if set.is_err() {
        return String::from(date.to_iso_string());
    }
    date.to_locale_string("default", &options).into()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn bytes_and_times_read_well() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(82_088), "82.1 KB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(17_179_869_184), "17.2 GB");
        assert_eq!(duration(0.4), "under 1 ms");
        assert_eq!(duration(1_440.0), "1.4 s");
        assert_eq!(about(1_400.0), "about 1 second");
        assert_eq!(about(8_300.0), "about 8 seconds");
        assert_eq!(about(140_000.0), "about 2 minutes");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn ages_read_well() {
        for (ms, text) in [
            (0, "just now"),
            (999, "just now"),
            (1_000, "1 s ago"),
            (3_400, "3 s ago"),
            (59_999, "59 s ago"),
            (60_000, "1 min ago"),
            (150_000, "2 min ago"),
            (3_600_000, "1 h ago"),
            (172_800_000, "2 days ago"),
        ] {
            assert_eq!(ago(ms), text);
        }
        assert!(ago(u64::MAX).ends_with(" days ago"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn certainty_is_never_claimed() {
        assert_eq!(percent(1.0), "over 99.9 %");
        assert_eq!(percent(0.0), "under 0.1 %");
        assert_eq!(percent(0.9834), "98 %");
        assert_eq!(percent(0.9951), "99.5 %");
        assert_eq!(percent(0.021), "2.1 %");
        assert_eq!(percent(f64::NAN), "unknown");
    }
}
