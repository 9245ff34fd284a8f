//! `darkroom models`

use std::process::ExitCode;

use darkroom_api::compute::ModelCard;

use super::session::{connect, first_call};
use crate::args::Server;
use crate::error::Error;
use crate::output;

/// Lists the models that the server runs, and says of folders that were refused why.
pub async fn models(server: &Server, json: bool) -> Result<ExitCode, Error> {
    let (_, compute) = connect(server)?;
    let catalogue = compute.catalogue().await.map_err(first_call(&server.url))?;
    if json {
        output::json(&catalogue)?;
        return Ok(ExitCode::SUCCESS);
    }
    for card in &catalogue.models {
        print(card);
    }
    if catalogue.models.is_empty() {
        println!("The server has no models.");
    }
    for refused in &catalogue.refused {
        eprintln!("not offered: {}: {}", refused.folder, refused.reason);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(card: &ModelCard) {
    println!("{}  {}", card.id, card.title);
    println!("    {}", card.purpose);
    println!("    classes: {}", card.classes.join(", "));
    if let Some(accuracy) = &card.accuracy {
        let value = 100.0 * accuracy.value;
        let balanced = accuracy
            .balanced
            .map(|share| format!(" (balanced {:.1} %)", 100.0 * share));
        let balanced = balanced.unwrap_or_default();
        println!("    right on {value:.1} %{balanced} of {}", accuracy.data);
    }
    let (up, down) = (
        output::bytes(card.image_bytes),
        output::bytes(card.result_bytes),
    );
    let (width, height) = (card.input.width, card.input.height);
    println!(
        "    {width}x{height} pixels, {up} up, {down} down, {:.1} ms",
        card.expected_ms
    );
    match card.evaluation_key {
        Some(key) => println!(
            "    {} bootstraps; an evaluation key of {}, sent once for all models that need one",
            card.bootstraps,
            output::bytes(key.bytes)
        ),
        None => println!("    needs no evaluation key"),
    }
    if let Some(notice) = &card.notice {
        println!("    {notice}");
    }
}
