//! What is being drawn on the pad, and the picture on the desk that it is.

use leptos::html;
use leptos::prelude::*;
use web_sys::HtmlCanvasElement;

use crate::page::desk::{Desk, Drawing};
use crate::page::digit::{self, PEN, Point, SIDE, Stroke};
use crate::page::parts::canvas::context;
use crate::protocol::Grey;

/// Pixels along each side of the pad's canvas: twice what it measures on the page.
pub const SIZE: u32 = 640;
const PAPER: &str = "#000";
const INK: &str = "#fff";
const CURSOR: &str = "#e5482d";

/// The pen as keys move it.
#[derive(Clone, Copy, PartialEq)]
pub struct Pen {
    /// Where it is.
    pub at: Point,
    /// Whether it draws.
    pub down: bool,
}

/// A sheet on the pad.
#[derive(Clone, Copy)]
pub struct Sheet {
    desk: Desk,
    /// Where it is drawn.
    pub canvas: NodeRef<html::Canvas>,
    strokes: RwSignal<Vec<Stroke>>,
    /// The number of the picture that it is.
    picture: RwSignal<Option<u32>>,
    /// The pen, once keys have moved it.
    pub pen: RwSignal<Option<Pen>>,
}

impl Sheet {
    /// An empty one, which shows itself, and is changed for another one when its picture is analysed
    /// or taken off the desk.
    pub fn new(desk: Desk) -> Self {
        let sheet = Self {
            desk,
            canvas: NodeRef::new(),
            strokes: RwSignal::new(Vec::new()),
            picture: RwSignal::new(None),
            pen: RwSignal::new(None),
        };
        Effect::new(move || {
            if let Some(canvas) = sheet.canvas.get() {
                sheet
                    .strokes
                    .with(|strokes| paint(&canvas, strokes, sheet.pen.get()));
            }
        });
        Effect::new(move || {
            let there = |number| {
                let is = |tile: &crate::page::desk::Tile| tile.number == number;
                desk.tiles.with(|tiles| tiles.iter().any(is))
            };
            let running = desk.running.with(Option::is_some);
            let gone = sheet.picture.get().is_some_and(|number| !there(number));
            if gone || running && sheet.picture.with_untracked(Option::is_some) {
                sheet.renew();
            }
        });
        sheet
    }

    /// Whether nothing is drawn.
    pub fn is_empty(self) -> bool {
        self.strokes.with(Vec::is_empty)
    }

    /// Puts the pen down.
    pub fn begin(self, at: Point) {
        self.strokes.update(|strokes| strokes.push(vec![at]));
    }

    /// Moves the pen that is down.
    pub fn extend(self, to: impl IntoIterator<Item = Point>) {
        self.strokes.update(|strokes| {
            if let Some(stroke) = strokes.last_mut() {
                stroke.extend(to);
            }
        });
    }

    /// Puts the drawing on the desk as it is now.
    pub fn put_down(self) {
        let pixels = self
            .strokes
            .with_untracked(|strokes| digit::picture(strokes));
        let Some(data) = pixels else {
            if let Some(number) = self.picture.get_untracked() {
                self.picture.set(None);
                self.desk.remove_tile(number);
            }
            return;
        };
        let drawing = Drawing {
            address: self.address(),
            pixels: Grey {
                width: SIDE,
                height: SIDE,
                data,
            },
        };
        let number = self.desk.draw(self.picture.get_untracked(), drawing);
        self.picture.set(Some(number));
    }

    /// Takes back the last stroke.
    pub fn undo(self) {
        self.lift();
        self.strokes.update(|strokes| drop(strokes.pop()));
        self.put_down();
        let left = self.strokes.with_untracked(Vec::len);
        self.desk.say(match left {
            0 => "The pad is empty.".to_owned(),
            left => format!("{} left.", crate::page::format::count(left, "line")),
        });
    }

    /// Takes back all strokes.
    pub fn clear(self) {
        self.lift();
        self.strokes.set(Vec::new());
        self.put_down();
        self.desk.say("The pad is empty.");
    }

    /// An empty sheet; the drawing stays on the desk.
    pub fn renew(self) {
        self.picture.set(None);
        self.strokes.set(Vec::new());
        self.pen.set(None);
    }

    fn lift(self) {
        self.pen.update(|pen| {
            if let Some(pen) = pen {
                pen.down = false;
            }
        });
    }

    /// The sheet as the browser shows it.
    fn address(self) -> String {
        let Some(canvas) = self.canvas.get_untracked() else {
            return String::new();
        };
        // Without the pen, which is not part of it.
        self.strokes
            .with_untracked(|strokes| paint(&canvas, strokes, None));
        let address = canvas.to_data_url().unwrap_or_default();
        self.strokes
            .with_untracked(|strokes| paint(&canvas, strokes, self.pen.get_untracked()));
        address
    }
}

/// Draws everything anew.
fn paint(canvas: &HtmlCanvasElement, strokes: &[Stroke], pen: Option<Pen>) {
    let Some(ink) = context(canvas) else { return };
    let size = f64::from(SIZE);
    ink.set_fill_style_str(PAPER);
    ink.fill_rect(0.0, 0.0, size, size);
    ink.set_stroke_style_str(INK);
    ink.set_line_cap("round");
    ink.set_line_join("round");
    ink.set_line_width(PEN / f64::from(SIDE) * size);
    for stroke in strokes {
        let Some(first) = stroke.first() else {
            continue;
        };
        ink.begin_path();
        ink.move_to(first.x * size, first.y * size);
        // From the middle of one piece to the middle of the next, bent towards the point between.
        for (a, b) in stroke.iter().zip(stroke.iter().skip(1)) {
            let middle = ((a.x + b.x) / 2.0 * size, (a.y + b.y) / 2.0 * size);
            ink.quadratic_curve_to(a.x * size, a.y * size, middle.0, middle.1);
        }
        if let Some(last) = stroke.last() {
            ink.line_to(last.x * size, last.y * size);
        }
        ink.stroke();
    }
    let Some(pen) = pen else { return };
    ink.set_stroke_style_str(CURSOR);
    ink.set_line_width(size / 80.0);
    ink.begin_path();
    let radius = if pen.down { size / 20.0 } else { size / 12.0 };
    let _ = ink.arc(
        pen.at.x * size,
        pen.at.y * size,
        radius,
        0.0,
        std::f64::consts::TAU,
    );
    ink.stroke();
}
