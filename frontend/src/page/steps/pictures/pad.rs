//! A pad to draw a digit on: with mouse, pen or finger, or with the arrow keys and the space bar.

use js_sys::Reflect;
use leptos::ev::{FocusEvent, KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::DomRect;

use super::sheet::{Pen, SIZE, Sheet};
use crate::page::desk::{Desk, desk};
use crate::page::digit::{Point, SIDE};

/// How far one key press moves the pen: a pixel of the picture.
const STEP: f64 = 1.0 / 28.0;

/// The pad.
#[component]
pub fn Pad() -> impl IntoView {
    let desk = desk();
    let sheet = Sheet::new(desk);
    let hand = Hand {
        sheet,
        pointer: StoredValue::new(None),
    };
    let empty = Memo::new(move |_| sheet.is_empty());
    let next = move |_| {
        sheet.renew();
        desk.say("An empty pad. The drawing before is on the desk.");
        if let Some(canvas) = sheet.canvas.get_untracked() {
            crate::page::focus(&canvas);
        }
    };
    let size = SIZE.to_string();
    view! {
        <div class="pad">
            <canvas
                node_ref=sheet.canvas
                id="pad"
                width=size.clone()
                height=size
                tabindex="0"
                role="application"
                aria-roledescription="drawing pad"
                aria-label="A pad to draw a digit on"
                aria-describedby="pad-keys"
                data-test="pad"
                on:pointerdown=move |event| hand.down(&event)
                on:pointermove=move |event| hand.moved(&event)
                on:pointerup=move |event| hand.up(&event)
                on:pointercancel=move |event| hand.up(&event)
                on:keydown=move |event| key(sheet, desk, &event)
                on:blur=move |_: FocusEvent| lift(sheet, desk)
            ></canvas>
            <p class="pad-hint" hidden=move || !empty.get() aria-hidden="true">
                "Draw a digit"
            </p>
            <p class="small quiet pad-keys" id="pad-keys">
                "Arrow keys move the pen, the space bar puts it down and lifts it, Backspace takes a line back."
            </p>
        </div>
        <div class="actions">
            <button
                type="button"
                id="pad-undo"
                disabled=move || empty.get()
                on:click=move |_| sheet.undo()
            >
                "Undo"
            </button>
            <button
                type="button"
                id="pad-clear"
                disabled=move || empty.get()
                on:click=move |_| sheet.clear()
            >
                "Clear"
            </button>
            <button
                type="button"
                class="plain"
                id="pad-next"
                disabled=move || empty.get()
                on:click=next
            >
                "Draw another"
            </button>
        </div>
    }
}

// ---- mouse, pen, finger ----

/// What draws on the sheet.
#[derive(Clone, Copy)]
struct Hand {
    sheet: Sheet,
    /// The pointer that is down; others are not heeded.
    pointer: StoredValue<Option<i32>>,
}

impl Hand {
    fn down(self, event: &PointerEvent) {
        let busy = self.pointer.get_value().is_some();
        if busy || event.button() != 0 || !event.is_primary() {
            return;
        }
        let Some(canvas) = self.sheet.canvas.get_untracked() else {
            return;
        };
        // Without it, a stroke ends at the pad's edge.
        let _ = canvas.set_pointer_capture(event.pointer_id());
        self.pointer.set_value(Some(event.pointer_id()));
        self.sheet.pen.set(None);
        let place = canvas.get_bounding_client_rect();
        self.sheet.begin(point(event, &place));
    }

    fn moved(self, event: &PointerEvent) {
        if self.pointer.get_value() != Some(event.pointer_id()) {
            return;
        }
        if let Some(canvas) = self.sheet.canvas.get_untracked() {
            let place = canvas.get_bounding_client_rect();
            self.sheet.extend(points(event, &place));
        }
    }

    fn up(self, event: &PointerEvent) {
        if self.pointer.get_value() == Some(event.pointer_id()) {
            self.pointer.set_value(None);
            self.sheet.put_down();
        }
    }
}

/// Where an event is on the pad.
fn point(event: &PointerEvent, place: &DomRect) -> Point {
    let (x, y) = (f64::from(event.client_x()), f64::from(event.client_y()));
    Point {
        x: ((x - place.left()) / place.width().max(1.0)).clamp(0.0, 1.0),
        y: ((y - place.top()) / place.height().max(1.0)).clamp(0.0, 1.0),
    }
}

/// Where the pointer was since the last event: browsers put several moves into one.
fn points(event: &PointerEvent, place: &DomRect) -> Vec<Point> {
    let known = Reflect::has(event, &"getCoalescedEvents".into()).unwrap_or(false);
    let moves = known.then(|| event.get_coalesced_events());
    let moves = moves.into_iter().flatten();
    let mut points: Vec<Point> = moves
        .filter_map(|step| step.dyn_into::<PointerEvent>().ok())
        .map(|step| point(&step, place))
        .collect();
    if points.is_empty() {
        points.push(point(event, place));
    }
    points
}

// ---- keys ----

/// Does what a key says.
fn key(sheet: Sheet, desk: Desk, event: &KeyboardEvent) {
    let plain = !event.ctrl_key() && !event.meta_key() && !event.alt_key();
    match event.key().as_str() {
        "ArrowLeft" if plain => go(sheet, desk, -STEP, 0.0),
        "ArrowRight" if plain => go(sheet, desk, STEP, 0.0),
        "ArrowUp" if plain => go(sheet, desk, 0.0, -STEP),
        "ArrowDown" if plain => go(sheet, desk, 0.0, STEP),
        " " if plain => press(sheet, desk),
        "Backspace" if plain => sheet.undo(),
        "z" if event.ctrl_key() || event.meta_key() => sheet.undo(),
        "Delete" if plain => sheet.clear(),
        "Escape" if sheet.pen.get_untracked().is_some_and(|pen| pen.down) => lift(sheet, desk),
        _ => return,
    }
    // Arrows and the space bar would move the page.
    event.prevent_default();
}

/// The pen, in the middle until it was moved.
fn pen(sheet: Sheet) -> Pen {
    let middle = Point { x: 0.5, y: 0.5 };
    let first = Pen {
        at: middle,
        down: false,
    };
    sheet.pen.get_untracked().unwrap_or(first)
}

fn go(sheet: Sheet, desk: Desk, x: f64, y: f64) {
    let mut pen = pen(sheet);
    pen.at.x = (pen.at.x + x).clamp(0.0, 1.0);
    pen.at.y = (pen.at.y + y).clamp(0.0, 1.0);
    sheet.pen.set(Some(pen));
    if pen.down {
        sheet.extend([pen.at]);
    }
    desk.say(format!(
        "{} across, {} down",
        step(pen.at.x),
        step(pen.at.y)
    ));
}

/// A place in steps from the edge.
fn step(at: f64) -> f64 {
    (at * f64::from(SIDE)).round()
}

fn press(sheet: Sheet, desk: Desk) {
    let mut pen = pen(sheet);
    if pen.down {
        return lift(sheet, desk);
    }
    pen.down = true;
    sheet.pen.set(Some(pen));
    sheet.begin(pen.at);
    desk.say("Pen down.");
}

/// Lifts the pen that keys have put down.
fn lift(sheet: Sheet, desk: Desk) {
    let Some(mut pen) = sheet.pen.get_untracked().filter(|pen| pen.down) else {
        return;
    };
    pen.down = false;
    sheet.pen.set(Some(pen));
    sheet.put_down();
    desk.say("Pen up.");
}
