use governor::clock::FakeRelativeClock;

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn settings() -> RateSettings {
    RateSettings {
        owner_per_s: 2,
        owner_burst: 4,
        address_per_s: 100,
        address_burst: 1000,
        refused_per_min: 6,
        refused_burst: 3,
        opened_per_min: 1,
        opened_burst: 2,
        keys: 1000,
        ..RateSettings::default()
    }
}

fn fence(settings: &RateSettings) -> (Fence<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Fence::with_clock(settings, clock.clone()).unwrap(), clock)
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn an_owner_has_a_bucket_of_his_own_that_fills_again() {
    let (fence, clock) = fence(&settings());
    let one = fence.asked(None, Some(("vault", b"one")), false);
    let other = fence.asked(None, Some(("vault", b"other")), false);
    for _ in 0..4 {
        fence.admit(one).unwrap();
    }
    let wait = fence.admit(one).unwrap_err();
    assert!(wait > Duration::ZERO && wait <= seconds(1), "{wait:?}");
    fence.admit(other).unwrap();
    clock.advance(wait);
    fence.admit(one).unwrap();
    fence.admit(one).unwrap_err();
    clock.advance(seconds(60));
    for _ in 0..4 {
        fence.admit(one).unwrap();
    }
    fence.admit(one).unwrap_err();
}

#[test]
fn an_address_has_one_whatever_it_asks_for() {
    let (fence, _) = fence(&settings());
    for number in 0..1000_u32 {
        let who = number.to_string();
        let asked = fence.asked(Some(HERE), Some((&who, b"")), false);
        fence.admit(asked).unwrap();
    }
    fence
        .admit(fence.asked(Some(HERE), None, false))
        .unwrap_err();
    fence.admit(fence.asked(Some(THERE), None, false)).unwrap();
    fence.admit(fence.asked(None, None, false)).unwrap();
}

#[test]
fn whoever_guesses_waits_and_whoever_was_good_does_not() {
    let (fence, clock) = fence(&settings());
    let owner = fence.asked(Some(HERE), Some(("vault", b"good")), false);
    fence.admit(owner).unwrap();
    fence.learn(owner, 200);
    let guess = |number: u32| {
        let guess = number.to_string();
        let asked = fence.asked(Some(HERE), Some(("vault", guess.as_bytes())), false);
        fence.admit(asked).map(|()| fence.learn(asked, 401))
    };
    let passed = (0..20).take_while(|&number| guess(number).is_ok()).count();
    // Three, and the one that found nothing left.
    assert_eq!(passed, 4);
    let wait = guess(99).unwrap_err();
    assert!(wait <= seconds(10), "{wait:?}");

    // All strangers at that address wait alike; the page is still there, and so is the owner.
    for status in [401, 403] {
        let stranger = fence.asked(Some(HERE), Some(("unknown", b"x")), false);
        assert_eq!(fence.admit(stranger), Err(wait), "{status}");
    }
    fence.admit(fence.asked(Some(HERE), None, false)).unwrap();
    fence.admit(owner).unwrap();
    // What is refused to the owner is no guess.
    for _ in 0..20 {
        fence.learn(owner, 403);
    }
    let elsewhere = fence.asked(Some(THERE), Some(("vault", b"x")), false);
    fence.admit(elsewhere).unwrap();

    clock.advance(wait);
    guess(100).unwrap();
    // The one that finds nothing left.
    guess(101).unwrap();
    guess(102).unwrap_err();
    // An hour later the owner has to show again that his credential is good.
    clock.advance(seconds(60 * 60 - 30));
    (102..105).for_each(|number| guess(number).unwrap());
    guess(105).unwrap();
    clock.advance(seconds(9));
    fence.admit(owner).unwrap();
    clock.advance(seconds(60));
    (110..114).for_each(|number| guess(number).unwrap());
    fence.admit(owner).unwrap_err();
}

#[test]
fn few_vaults_are_opened_from_one_address() {
    let (fence, clock) = fence(&settings());
    let open = |address, vault: &str| fence.asked(address, Some((vault, b"token")), true);
    for vault in ["a", "b"] {
        let asked = open(Some(HERE), vault);
        fence.admit(asked).unwrap();
        fence.learn(asked, 201);
    }
    let wait = fence.admit(open(Some(HERE), "c")).unwrap_err();
    assert!(wait > seconds(50) && wait <= seconds(60), "{wait:?}");
    // Who opens the same one again finds it open.
    fence.admit(open(Some(HERE), "a")).unwrap();
    fence.admit(open(Some(THERE), "c")).unwrap();
    fence.admit(open(None, "c")).unwrap();
    clock.advance(wait);
    fence.admit(open(Some(HERE), "c")).unwrap();
}

#[test]
fn memory_is_bounded_and_given_back() {
    let settings = RateSettings {
        address_per_s: 0,
        refused_per_min: 1,
        refused_burst: 1,
        ..settings()
    };
    let (fence, clock) = fence(&settings);
    for number in 0..20_000_u32 {
        let address = IpAddr::from(number.to_be_bytes());
        let who = number.to_string();
        for status in [401, 401, 200] {
            let asked = fence.asked(Some(address), Some((&who, b"")), true);
            let _ = fence.admit(asked);
            fence.learn(asked, status);
        }
    }
    let most = settings.keys + 1024;
    let buckets = || {
        [&fence.owner, &fence.refused, &fence.opened]
            .into_iter()
            .flatten()
    };
    for buckets in buckets() {
        assert!(buckets.limiter.len() <= most, "{}", buckets.limiter.len());
    }
    assert!(fence.good().len() <= most && fence.waiting().len() <= most);
    clock.advance(seconds(2 * 60 * 60));
    fence.admit(fence.asked(None, None, false)).unwrap();
    assert!(buckets().all(|buckets| buckets.limiter.is_empty()));
    assert!(fence.good().is_empty() && fence.waiting().is_empty());
}

#[test]
fn no_rate_is_no_limit() {
    let settings = RateSettings {
        owner_per_s: 0,
        address_per_s: 0,
        refused_per_min: 0,
        opened_per_min: 0,
        ..settings()
    };
    let (fence, _) = fence(&settings);
    let asked = fence.asked(Some(HERE), Some(("vault", b"x")), true);
    for _ in 0..10_000 {
        fence.admit(asked).unwrap();
        fence.learn(asked, 401);
    }
}
