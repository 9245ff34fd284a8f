//! Pixels on the screen, one for one: what will be encrypted, and what the server saw of it.

use leptos::{html, prelude::*};
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

/// A picture to be drawn: width, height and 4 bytes a pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct Rgba {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Red, green, blue, opacity of every pixel, row by row.
    pub data: Vec<u8>,
}

impl Rgba {
    /// From 8-bit grey.
    pub fn grey(width: u32, height: u32, data: &[u8]) -> Self {
        let data = data.iter().flat_map(|&v| [v, v, v, 255]).collect();
        Self {
            width,
            height,
            data,
        }
    }

    /// A square whose pixels are the bytes themselves; what is missing in the last row stays clear.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let side = bytes.len().isqrt();
        let side = if side * side < bytes.len() {
            side + 1
        } else {
            side.max(1)
        };
        let mut data: Vec<u8> = bytes.iter().flat_map(|&v| [v, v, v, 255]).collect();
        data.resize(side * side * 4, 0);
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        Self {
            width: side,
            height: side,
            data,
        }
    }
}

/// The drawing context of a canvas.
pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok().flatten()?.dyn_into().ok()
}

/// Draws a picture one pixel to one.
pub fn draw(canvas: &HtmlCanvasElement, picture: &Rgba) {
    canvas.set_width(picture.width);
    canvas.set_height(picture.height);
    let data = Clamped(picture.data.as_slice());
    let image = ImageData::new_with_u8_clamped_array_and_sh(data, picture.width, picture.height);
    if let (Some(context), Ok(image)) = (context(canvas), image) {
        let _ = context.put_image_data(&image, 0.0, 0.0);
    }
}

/// A canvas that shows a picture, with a description for those who do not see it.
#[component]
pub fn Pixels(
    #[prop(into)] picture: Signal<Option<Rgba>>,
    #[prop(into)] label: String,
    #[prop(optional)] test: &'static str,
) -> impl IntoView {
    let canvas = NodeRef::<html::Canvas>::new();
    Effect::new(move || {
        if let Some(canvas) = canvas.get() {
            picture.with(|picture| {
                if let Some(picture) = picture {
                    draw(&canvas, picture);
                }
            });
        }
    });
    view! { <canvas node_ref=canvas role="img" aria-label=label data-test=test></canvas> }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn bytes_make_the_smallest_square_that_holds_them() {
        for (bytes, side) in [(0, 1), (1, 1), (2, 2), (4, 2), (5, 3), (81_992, 287)] {
            let picture = Rgba::of_bytes(&vec![7; bytes]);
            assert_eq!((picture.width, picture.height), (side, side), "{bytes}");
            assert_eq!(picture.data.len(), (side * side * 4) as usize);
        }
    }
}
