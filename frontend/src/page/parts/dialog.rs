//! A modal dialog on `<dialog>`: the browser keeps the focus inside and gives it back.

use leptos::{html, prelude::*};

use super::glyph::Glyph;

/// Shows `children` in a modal while `open`. They are built on opening and dropped on closing, so
/// that nothing secret stays in the document.
#[component]
pub fn Dialog(
    open: RwSignal<bool>,
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    children: ChildrenFn,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = element.get() else { return };
        if open.get() {
            // One frame later its children are there, and the first of them can have the focus.
            request_animation_frame(move || {
                if open.try_get_untracked() == Some(true) && !dialog.open() {
                    let _ = dialog.show_modal();
                }
            });
        } else if dialog.open() {
            dialog.close();
        }
    });
    let heading = StoredValue::new(format!("{id}-title"));
    let children = StoredValue::new(children);
    view! {
        <dialog
            node_ref=element
            id=id
            class="dialog"
            aria-labelledby=heading.get_value()
            on:close=move |_| open.set(false)
        >
            <Show when=move || open.get()>
                <div class="stack">
                    <div>
                        <button
                            type="button"
                            class="icon close"
                            aria-label="Close"
                            on:click=move |_| open.set(false)
                        >
                            <Glyph name="close" />
                        </button>
                        <h2 id=heading.get_value()>{move || title.get()}</h2>
                    </div>
                    {children.with_value(|children| children())}
                </div>
            </Show>
        </dialog>
    }
}
