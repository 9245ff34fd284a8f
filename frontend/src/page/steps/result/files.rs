//! A result to take away: PNG, NumPy, JSON, paper.

use leptos::prelude::*;
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement};

use super::answer::{headline, ranked};
use crate::page::format;
use crate::page::parts::canvas::{Rgba, context, draw};
use crate::page::save;
use crate::protocol::{Answer, Opened, StageTimes};

/// What is saved as JSON.
#[derive(Serialize)]
struct Report<'a> {
    picture: &'a str,
    model: &'a str,
    model_title: &'a str,
    analysed_unix_ms: u64,
    answer: &'a Answer,
    notice: Option<&'a str>,
    encrypted_picture_bytes: u64,
    encrypted_result_bytes: u64,
    times: &'a StageTimes,
}

fn json(opened: &Opened) -> Option<String> {
    let report = Report {
        picture: &opened.entry.name,
        model: opened.entry.model.as_str(),
        model_title: &opened.entry.model_title,
        analysed_unix_ms: opened.entry.created_ms,
        answer: &opened.answer,
        notice: opened.notice.as_deref(),
        encrypted_picture_bytes: opened.seen.image_bytes,
        encrypted_result_bytes: opened.seen.result_bytes,
        times: &opened.times,
    };
    serde_json::to_string_pretty(&report).ok()
}

/// The buttons.
#[component]
pub fn Files(opened: Opened) -> impl IntoView {
    let opened = StoredValue::new(opened);
    let name = move |ending| opened.with_value(|opened| save::name(&opened.entry.name, ending));
    let png = move |_| opened.with_value(|opened| save_png(opened, name("result.png")));
    let npy = move |_| {
        opened.with_value(|opened| {
            let picture = &opened.picture;
            let bytes = save::npy(picture.width, picture.height, &picture.data);
            save::file(&name("pixels.npy"), "application/octet-stream", &bytes);
        });
    };
    let json = move |_| {
        opened.with_value(|opened| {
            if let Some(text) = json(opened) {
                save::file(&name("result.json"), "application/json", text.as_bytes());
            }
        });
    };
    let print = move |_| drop(window().print());
    view! {
        <div class="actions" role="group" aria-label="Save this result">
            <button type="button" data-test="save-png" on:click=png>
                "Save PNG"
            </button>
            <button type="button" data-test="save-npy" on:click=npy>
                ".npy"
            </button>
            <button type="button" data-test="save-json" on:click=json>
                "JSON"
            </button>
            <button type="button" data-test="print" on:click=print>
                "Print"
            </button>
        </div>
    }
}

const SHEET: (f64, f64) = (960.0, 480.0);
const MARGIN: f64 = 40.0;
const SIDE: f64 = 400.0;
const TEXT_X: f64 = MARGIN + SIDE + 40.0;
const TEXT_WIDTH: f64 = SHEET.0 - TEXT_X - MARGIN;

/// Picture and result on one sheet.
fn save_png(opened: &Opened, name: String) {
    let Some(sheet) = canvas() else { return };
    sheet.set_width(960);
    sheet.set_height(480);
    let Some(ink) = context(&sheet) else { return };
    ink.set_fill_style_str("#fffdf9");
    ink.fill_rect(0.0, 0.0, SHEET.0, SHEET.1);
    draw_picture(&ink, opened);
    draw_words(&ink, opened);
    let done = Closure::once_into_js(move |blob: Option<Blob>| {
        if let Some(blob) = blob {
            save::blob(&name, &blob);
        }
    });
    let _ = sheet.to_blob(done.unchecked_ref());
}

fn canvas() -> Option<HtmlCanvasElement> {
    document().create_element("canvas").ok()?.dyn_into().ok()
}

fn draw_picture(ink: &CanvasRenderingContext2d, opened: &Opened) {
    let Some(small) = canvas() else { return };
    let picture = &opened.picture;
    draw(
        &small,
        &Rgba::grey(picture.width, picture.height, &picture.data),
    );
    ink.set_image_smoothing_enabled(false);
    let (width, height) = (f64::from(picture.width), f64::from(picture.height));
    let scale = SIDE / width.max(height);
    let _ = ink.draw_image_with_html_canvas_element_and_dw_and_dh(
        &small,
        MARGIN,
        MARGIN,
        width * scale,
        height * scale,
    );
}

fn draw_words(ink: &CanvasRenderingContext2d, opened: &Opened) {
    let answer = &opened.answer;
    let best = answer
        .probabilities
        .get(answer.class)
        .copied()
        .unwrap_or(f64::NAN);
    let mut y = MARGIN + 28.0;
    let mut line = |text: &str, font: &str, color: &str, step: f64| {
        ink.set_font(font);
        ink.set_fill_style_str(color);
        let _ = ink.fill_text_with_max_width(text, TEXT_X, y, TEXT_WIDTH);
        y += step;
        y
    };
    line(
        &headline(&answer.label, best),
        "600 32px system-ui, sans-serif",
        "#1d1916",
        36.0,
    );
    let about = format!("{} · {}", opened.entry.name, opened.entry.model_title);
    let mut at = line(&about, "16px system-ui, sans-serif", "#645a50", 36.0);
    for (class, share) in ranked(answer).into_iter().take(6) {
        ink.set_font("16px system-ui, sans-serif");
        ink.set_fill_style_str("#1d1916");
        let text = format!("{class}  {}", format::percent(share));
        let _ = ink.fill_text_with_max_width(&text, TEXT_X, at, TEXT_WIDTH);
        ink.set_fill_style_str("#d8cfc2");
        ink.fill_rect(TEXT_X, at + 8.0, TEXT_WIDTH, 6.0);
        ink.set_fill_style_str("#1d1916");
        ink.fill_rect(TEXT_X, at + 8.0, TEXT_WIDTH * share.clamp(0.0, 1.0), 6.0);
        at += 42.0;
    }
    if let Some(notice) = &opened.notice {
        ink.set_font("14px system-ui, sans-serif");
        ink.set_fill_style_str("#645a50");
        let _ = ink.fill_text_with_max_width(notice, TEXT_X, SHEET.1 - MARGIN, TEXT_WIDTH);
    }
}
