//! The whole way in one process, with the time of every stage and the clear twin's answer beside.

use std::path::Path;
use std::process::ExitCode;

use darkroom_fhe::eval::{Control, EvaluationKey};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::params::ParameterSet;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::{Answer, eval};
use serde::Serialize;

use crate::args::Simulate;
use crate::error::Error;
use crate::evaluation_key::Figures;
use crate::output::{self, AnswerJson};
use crate::progress::Progress;
use crate::timing::timed;
use crate::{evaluation_key, model_folder, pictures, stages, threads};

/// What comes before the first picture.
struct Setup {
    model: Model,
    key: ClientKey,
    /// For networks.
    evaluation_key: Option<(EvaluationKey, Figures)>,
    threads: usize,
    parameters_ms: f64,
    keygen_ms: f64,
}

/// Wall time of every stage.
#[derive(Serialize)]
struct Times {
    /// Reading the model, quantising it and predicting its noise: the choice of parameters. The sets
    /// themselves are published ones.
    parameters_ms: f64,
    keygen_ms: f64,
    prepare_ms: f64,
    encrypt_ms: f64,
    compute_ms: f64,
    decrypt_ms: f64,
}

struct Run {
    answer: Answer,
    clear: Answer,
    image_bytes: usize,
    result_bytes: usize,
    times: Times,
}

/// `darkroom simulate`
pub fn run(args: &Simulate) -> Result<ExitCode, Error> {
    let setup = set_up(args)?;
    if !args.json {
        describe(&setup)?;
    }
    let mut code = ExitCode::SUCCESS;
    for image in &args.images {
        let outcome = simulate(&setup, image);
        if outcome.as_ref().map_or(true, |run| !run.agrees()) {
            code = ExitCode::FAILURE;
        }
        if args.json {
            print_json(image, &outcome, &setup)?;
        } else {
            print_text(image, &outcome);
        }
    }
    Ok(code)
}

fn set_up(args: &Simulate) -> Result<Setup, Error> {
    let threads = threads::count(args.threads.wanted);
    let (model, read) = timed(|| model_folder::load(&args.model))?;
    let (key, keygen) = timed(|| Ok(ClientKey::generate(&mut Randomness::system()?)?))?;
    let parameters = model.evaluation_key_parameters();
    let progress = Progress::begin("making the evaluation key");
    let made =
        parameters.map(|parameters| evaluation_key::fresh(&key, parameters, threads, &progress));
    Ok(Setup {
        evaluation_key: made.transpose()?,
        model,
        key,
        threads,
        parameters_ms: read.wall_ms,
        keygen_ms: keygen.wall_ms,
    })
}

fn simulate(setup: &Setup, image: &Path) -> Result<Run, Error> {
    let (model, key) = (&setup.model, &setup.key);
    let (pixels, prepare) = timed(|| pictures::load(image, model.input()))?;
    let (encrypted, encrypt) = timed(|| stages::encrypt_pixels(key, &pixels))?;
    let progress = Progress::begin("computing");
    let (result, compute) = timed(|| compute(setup, &encrypted, &progress))?;
    drop(progress);
    let ((answer, _), decrypt) = timed(|| stages::read_result(key, "the result", &result))?;
    Ok(Run {
        answer,
        clear: eval::clear::evaluate(model, &pixels)?,
        image_bytes: encrypted.len(),
        result_bytes: result.len(),
        times: Times {
            parameters_ms: setup.parameters_ms,
            keygen_ms: setup.keygen_ms,
            prepare_ms: prepare.wall_ms,
            encrypt_ms: encrypt.wall_ms,
            compute_ms: compute.wall_ms,
            decrypt_ms: decrypt.wall_ms,
        },
    })
}

fn compute(setup: &Setup, encrypted: &[u8], progress: &Progress) -> Result<Vec<u8>, Error> {
    let key = setup.evaluation_key.as_ref().map(|(key, _)| key);
    let all = setup.model.bootstraps();
    let control = Control {
        threads: setup.threads,
        progress: &|done| progress.detail(format!(", {done} of {all} bootstraps")),
        cancelled: &|| false,
    };
    stages::evaluate(
        &setup.model,
        "the encrypted picture",
        encrypted,
        key,
        &control,
    )
}

impl Run {
    fn agrees(&self) -> bool {
        self.answer.label == self.clear.label
    }

    /// The largest difference between a score and the clear twin's.
    fn error(&self) -> f64 {
        let pairs = self.answer.scores.iter().zip(&self.clear.scores);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }
}

fn describe(setup: &Setup) -> Result<(), Error> {
    let id = setup.model.parameters();
    let set = ParameterSet::by_id(id);
    let set = set.ok_or(darkroom_fhe::Error::UnknownParameters { found: id })?;
    let (k, n) = (set.glwe_dimension, set.polynomial_size);
    println!(
        "{}: parameter set {id}, k = {k}, N = {n}",
        setup.model.title()
    );
    println!(
        "  parameters {:9.3} ms   reading the model, choosing its scales",
        setup.parameters_ms
    );
    let needed = match setup.evaluation_key {
        Some(_) => "",
        None => "   no evaluation key is needed",
    };
    println!("  keys       {:9.3} ms{needed}", setup.keygen_ms);
    if let Some((_, key)) = &setup.evaluation_key {
        let (threads, held) = (setup.threads, output::bytes(key.memory_bytes));
        println!(
            "  make key   {:9.3} ms   {} bytes of evaluation key, on {threads} threads",
            key.make_ms, key.bytes
        );
        println!("  expand key {:9.3} ms   {held} in memory", key.expand_ms);
    }
    Ok(())
}

fn print_text(image: &Path, outcome: &Result<Run, Error>) {
    let run = match outcome {
        Ok(run) => run,
        Err(error) => return eprintln!("darkroom: {}: {}", image.display(), output::chain(error)),
    };
    let times = &run.times;
    println!("{}: {}", image.display(), output::one_line(&run.answer));
    println!("  prepare    {:9.3} ms", times.prepare_ms);
    println!(
        "  encrypt    {:9.3} ms   {} bytes",
        times.encrypt_ms, run.image_bytes
    );
    println!(
        "  evaluate   {:9.3} ms   {} bytes",
        times.compute_ms, run.result_bytes
    );
    println!("  decrypt    {:9.3} ms", times.decrypt_ms);
    let clear = output::one_line(&run.clear);
    println!(
        "  in the clear {clear}, scores differ by at most {:.1e}",
        run.error()
    );
    if !run.agrees() {
        eprintln!("darkroom: {}: the two answers differ", image.display());
    }
}

fn print_json(image: &Path, outcome: &Result<Run, Error>, setup: &Setup) -> Result<(), Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Line<'a> {
        Done {
            image: String,
            #[serde(flatten)]
            answer: AnswerJson<'a>,
            clear: AnswerJson<'a>,
            score_error: f64,
            image_bytes: usize,
            result_bytes: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            evaluation_key: Option<&'a Figures>,
            times: &'a Times,
        },
        Failed {
            image: String,
            error: String,
        },
    }
    let image = image.display().to_string();
    output::json(&match outcome {
        Ok(run) => Line::Done {
            image,
            answer: AnswerJson::new(&run.answer, setup.model.notice()),
            clear: AnswerJson::new(&run.clear, None),
            score_error: run.error(),
            image_bytes: run.image_bytes,
            result_bytes: run.result_bytes,
            evaluation_key: setup.evaluation_key.as_ref().map(|(_, figures)| figures),
            times: &run.times,
        },
        Err(error) => Line::Failed {
            image,
            error: output::chain(error),
        },
    })?;
    Ok(())
}
