//! A message about something that went wrong.

use leptos::prelude::*;

use crate::protocol::Trouble;

/// Shows what happened, what it means for the data and what to do, and speaks it.
#[component]
pub fn Problem(
    trouble: Trouble,
    /// Something to press that may mend it.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="problem" role="alert" data-test="problem" data-kind=format!("{:?}", trouble.kind)>
            <p>
                <strong>{trouble.what}</strong>
            </p>
            <p>{trouble.data} " " {trouble.todo}</p>
            {children.map(|children| view! { <div class="actions">{children()}</div> })}
        </div>
    }
}
