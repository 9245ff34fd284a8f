use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// What arrives when this is sent: through the browser's structured clone, as between threads.
fn sent<T: Serialize>(message: &T) -> JsValue {
    let message = serde_wasm_bindgen::to_value(message).unwrap();
    let clone = js_sys::Reflect::get(&js_sys::global(), &"structuredClone".into()).unwrap();
    let clone: js_sys::Function = clone.dyn_into().unwrap();
    clone.call1(&JsValue::UNDEFINED, &message).unwrap()
}

fn grey() -> Grey {
    Grey {
        width: 2,
        height: 1,
        data: vec![0, 255],
    }
}

fn trouble() -> Trouble {
    Trouble {
        kind: TroubleKind::Full,
        what: "a".into(),
        data: "b".into(),
        todo: "c".into(),
    }
}

fn entry(state: EntryState) -> Entry {
    Entry {
        id: ObjectId([1; 16]),
        image: ObjectId([2; 16]),
        name: "hand – Hand.png".into(),
        model: "scan-type".parse().unwrap(),
        model_title: "Kind of scan".into(),
        width: 2,
        height: 1,
        created_ms: 1_700_000_000_000,
        state,
        thumbnail: Some(grey()),
    }
}

#[wasm_bindgen_test]
fn requests_arrive_as_they_were_sent() {
    let analysis = Analysis {
        model: "scan-type".parse().unwrap(),
        pictures: vec![ToAnalyse {
            picture: 7,
            name: "n".into(),
            source: Source::Fresh(grey()),
        }],
    };
    let arrived = sent(&ToWorker::Ask(
        Ticket(3),
        Request::Analyse(analysis.clone()),
    ));
    let arrived: ToWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
    let ToWorker::Ask(Ticket(3), Request::Analyse(again)) = arrived else {
        panic!("another request arrived")
    };
    assert_eq!(format!("{again:?}"), format!("{analysis:?}"));
    let arrived = sent(&ToWorker::Cancel(Ticket(3)));
    let arrived: ToWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
    assert!(matches!(arrived, ToWorker::Cancel(Ticket(3))));
}

const FRAME: InputCard = InputCard {
    width: 64,
    height: 32,
    straighten: true,
};

#[wasm_bindgen_test]
fn a_picture_file_travels_as_the_browsers_own() {
    let bytes = js_sys::Uint8Array::from([1, 2, 3].as_slice());
    let blob = web_sys::Blob::new_with_u8_array_sequence(&js_sys::Array::of1(&bytes)).unwrap();
    let request = Request::Prepare {
        blob,
        frame: FRAME,
        inverted: true,
    };
    let arrived = sent(&ToWorker::Ask(Ticket(1), request));
    let arrived: ToWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
    let ToWorker::Ask(
        _,
        Request::Prepare {
            blob,
            frame,
            inverted,
        },
    ) = arrived
    else {
        panic!("another request arrived")
    };
    assert_eq!((blob.size(), frame, inverted), (3.0, FRAME, true));
}

#[wasm_bindgen_test]
fn answers_arrive_as_they_were_sent() {
    let states = [
        EntryState::Pending(Stage::Compute),
        EntryState::Unread,
        EntryState::Done {
            label: "hand X-ray".into(),
            probability: 0.75,
        },
        EntryState::Failed(trouble()),
    ];
    let entries: Vec<Entry> = states.into_iter().map(entry).collect();
    let arrived = sent(&FromWorker::Answer(
        Ticket(1),
        Ok(Reply::History(entries.clone())),
    ));
    let arrived: FromWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
    let FromWorker::Answer(_, Ok(Reply::History(again))) = arrived else {
        panic!("another answer arrived")
    };
    assert_eq!(again, entries);
    let arrived = sent(&FromWorker::Answer(Ticket(1), Err(trouble())));
    let arrived: FromWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
    assert!(matches!(arrived, FromWorker::Answer(_, Err(again)) if again == trouble()));
}

#[wasm_bindgen_test]
fn notices_arrive_as_they_were_sent() {
    let status = Status {
        key: None,
        keeping: Keeping::ThisVisit,
        locked: true,
    };
    let large_key = LargeKey {
        parameters: darkroom_api::header::ParameterSetId(2),
        parts: 25,
        bytes: 11_000_000,
        state: LargeKeyState::Making(LargeKeyProgress {
            cause: Cause::Damaged,
            made: 3,
            stored: 2,
            stored_bytes: 1_000_000,
            makers: 2,
            left_ms: 1234.5,
        }),
    };
    let notices = [
        Notice::Status(status),
        Notice::LargeKey(large_key),
        Notice::Entry(Box::new(entry(EntryState::Unread))),
        Notice::Resumed(ObjectId([9; 16]), AnalysisEvent::Bootstraps { done: 31 }),
        Notice::EntryRemoved(ObjectId([9; 16])),
        Notice::EntriesCleared,
        Notice::Unreachable { retry_ms: 4000 },
        Notice::Reachable,
        Notice::Stopped(trouble()),
    ];
    for notice in notices {
        let arrived = sent(&FromWorker::Notice(notice.clone()));
        let arrived: FromWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
        let FromWorker::Notice(again) = arrived else {
            panic!("another message arrived")
        };
        assert_eq!(format!("{again:?}"), format!("{notice:?}"));
    }
}
