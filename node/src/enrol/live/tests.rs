//! Both sides of a live enrolment, and everybody who may be in between.

use crdt::site::Roles;

use super::*;
use crate::enrol::code::SECRET_BYTES;
use crate::enrol::codes::{Batch, RedeemError};
use crate::enrol::fixture::{Fixture, NOW_MS};

impl Fixture {
    fn reveal(&self, name: &str, nonce: u8) -> Reveal {
        let request = self.home(name).request().unwrap();
        Reveal { nonce: [nonce; NONCE_BYTES], request, wish: String::new(), code: None }
    }

    fn offer(&self, nonce: u8) -> Offer {
        Offer { nonce: [nonce; NONCE_BYTES], authority: self.site.manifest().authority(), takes: Takes::Words }
    }

    fn certified(&mut self, request: &Request) -> String {
        self.site.enrol(request, Roles::OFFICER, "ana", NOW_MS, 30).unwrap().1
    }
}

/// The frame that one side says to the other.
fn said(outputs: &[Output]) -> Frame {
    let sends = outputs.iter().filter_map(|it| if let Output::Send(frame) = it { Some(frame) } else { None });
    let frames: Vec<_> = sends.collect();
    assert_eq!(frames.len(), 1, "{outputs:?}");
    frames[0].clone()
}

/// The words that one side shows.
fn shown(outputs: &[Output]) -> Words {
    outputs.iter().find_map(|it| if let Output::Compare(words) = it { Some(*words) } else { None }).unwrap()
}

/// Takes both sides to where the words are compared.
fn up_to_words(joiner: &mut Joiner, hello: Frame, host: &mut Host) -> [Words; 2] {
    let offer = said(&host.handle(Input::Frame(hello)).unwrap());
    let at_device = joiner.handle(Input::Frame(offer)).unwrap();
    let at_host = host.handle(Input::Frame(said(&at_device))).unwrap();
    [shown(&at_device), shown(&at_host)]
}

#[test]
fn both_show_the_same_words_and_the_device_joins_once_both_agree() {
    let mut f = Fixture::new();
    let (mut joiner, hello) = Joiner::new(f.reveal("ana", 1));
    let mut host = Host::new(f.offer(2));
    let [there, here] = up_to_words(&mut joiner, hello, &mut host);
    assert_eq!(there, here);
    assert_eq!(host.handle(Input::Compared(true)).unwrap(), [], "one of two has agreed");
    let same = said(&joiner.handle(Input::Compared(true)).unwrap());
    let outputs = host.handle(Input::Frame(same)).unwrap();
    let [Output::Certify(request)] = outputs.as_slice() else { panic!("{outputs:?}") };
    let answer = said(&host.handle(Input::Certified(f.certified(request))).unwrap());
    assert!(matches!(joiner.handle(Input::Frame(answer)).unwrap().as_slice(), [Output::Join(_)]));
    let joined = said(&joiner.handle(Input::Joined).unwrap());
    assert_eq!(host.handle(Input::Frame(joined)).unwrap(), [Output::Over]);
}

#[test]
fn who_is_in_between_gets_other_words_on_each_side() {
    let f = Fixture::new();
    let others = Fixture::new();
    // In between plays the authority to the device, and a device to the authority.
    let (mut joiner, hello) = Joiner::new(f.reveal("ana", 1));
    let (mut own_joiner, own_hello) = Joiner::new(f.reveal("mallory", 1));
    let mut host = Host::new(f.offer(2));
    let mut own_host = Host::new(others.offer(2));
    let at_device = up_to_words(&mut joiner, hello, &mut own_host);
    let at_authority = up_to_words(&mut own_joiner, own_hello, &mut host);
    assert_ne!(at_device, at_authority);
}

#[test]
fn every_part_that_is_changed_on_the_way_changes_the_words() {
    let f = Fixture::new();
    let (offer, reveal) = (f.offer(2), f.reveal("ana", 1));
    let words_of = words(&offer, &reveal);
    let mallory = f.reveal("mallory", 1).request;
    let sealing_key = Request { sealing_key: mallory.sealing_key, ..reveal.request };
    for changed in [
        Reveal { nonce: [3; NONCE_BYTES], ..reveal.clone() },
        Reveal { request: mallory, ..reveal.clone() },
        Reveal { request: sealing_key, ..reveal.clone() },
        Reveal { wish: "chief".into(), ..reveal.clone() },
    ] {
        assert_ne!(words(&offer, &changed), words_of);
    }
    for changed in [Offer { nonce: [3; NONCE_BYTES], ..offer.clone() }, Offer { authority: [3; 32], ..offer }] {
        assert_ne!(words(&changed, &reveal), words_of);
    }
}

#[test]
fn a_device_that_reveals_something_else_than_it_promised_is_refused() {
    let f = Fixture::new();
    let promised = f.reveal("ana", 1);
    let (_, hello) = Joiner::new(promised.clone());
    // To search for the words that the other side shows, it would have to choose after the offer.
    for other in [Reveal { nonce: [9; NONCE_BYTES], ..promised }, f.reveal("mallory", 1)] {
        let mut host = Host::new(f.offer(2));
        let _ = host.handle(Input::Frame(hello.clone())).unwrap();
        assert_eq!(host.handle(Input::Frame(Frame::Reveal(other))), Err(LiveError::Promise));
    }
}

#[test]
fn after_a_no_nothing_is_certified_whatever_is_said() {
    let f = Fixture::new();
    for input in [Input::Compared(false), Input::Frame(Frame::Refuse(Refusal::Words))] {
        let (mut joiner, hello) = Joiner::new(f.reveal("ana", 1));
        let mut host = Host::new(f.offer(2));
        let _ = up_to_words(&mut joiner, hello, &mut host);
        let _ = host.handle(input).unwrap_err();
        for input in [Input::Compared(true), Input::Frame(Frame::Same), Input::Compared(true)] {
            assert_eq!(host.handle(input), Err(LiveError::Unfit));
        }
    }
}

#[test]
fn an_answer_that_is_anothers_is_not_joined_with() {
    let mut f = Fixture::new();
    let mut others = Fixture::new();
    let (ana, ben) = (f.reveal("ana", 1), f.reveal("ben", 1));
    let answers = [others.certified(&ana.request), f.certified(&ben.request), f.certified(&ana.request)];
    let expected = [Err(LiveError::OtherAuthority), Err(LiveError::OtherAuthority), Ok(())];
    for (answer, expected) in answers.into_iter().zip(expected) {
        let (mut joiner, hello) = Joiner::new(ana.clone());
        let _ = up_to_words(&mut joiner, hello, &mut Host::new(f.offer(2)));
        let _ = joiner.handle(Input::Compared(true)).unwrap();
        assert_eq!(joiner.handle(Input::Frame(Frame::Answer(answer))).map(|_| ()), expected);
    }
}

#[test]
fn what_was_overheard_is_of_no_use_later() {
    let f = Fixture::new();
    let (mut joiner, hello) = Joiner::new(f.reveal("ana", 1));
    let mut host = Host::new(f.offer(2));
    let offer = said(&host.handle(Input::Frame(hello.clone())).unwrap());
    let reveal = said(&joiner.handle(Input::Frame(offer)).unwrap());
    let earlier = shown(&host.handle(Input::Frame(reveal.clone())).unwrap());
    // The same frames again, to a listener with a fresh nonce.
    let mut host = Host::new(f.offer(3));
    let _ = host.handle(Input::Frame(hello)).unwrap();
    assert_ne!(shown(&host.handle(Input::Frame(reveal)).unwrap()), earlier);
    assert_eq!(host.handle(Input::Frame(Frame::Same)).unwrap(), [], "without a person here it goes no further");
}

#[test]
fn what_does_not_fit_is_refused_in_every_state() {
    let mut f = Fixture::new();
    let reveal = f.reveal("ana", 1);
    let answer = f.certified(&reveal.request);
    let (_, hello) = Joiner::new(reveal.clone());
    let frames = [
        hello.clone(),
        Frame::Offer(f.offer(2)),
        Frame::Reveal(reveal.clone()),
        Frame::Same,
        Frame::Answer(answer),
        Frame::Joined,
    ];
    // How many of the six fit after so many frames that do.
    let fits_host = |path: &[Input]| {
        let fresh = || {
            path.iter().cloned().fold(Host::new(f.offer(2)), |mut host, input| {
                let _ = host.handle(input).unwrap();
                host
            })
        };
        frames.iter().filter(|frame| fresh().handle(Input::Frame((*frame).clone())).is_ok()).count()
    };
    let path = [Input::Frame(hello), Input::Frame(Frame::Reveal(reveal.clone())), Input::Frame(Frame::Same)];
    let counts: Vec<_> = (0..=path.len()).map(|length| fits_host(&path[..length])).collect();
    assert_eq!(counts, [1, 1, 1, 0], "hello; reveal; same; then nothing before the person here has spoken");
    let fits_joiner = |path: &[Input]| {
        let fresh = || {
            path.iter().cloned().fold(Joiner::new(reveal.clone()).0, |mut joiner, input| {
                let _ = joiner.handle(input).unwrap();
                joiner
            })
        };
        frames.iter().filter(|frame| fresh().handle(Input::Frame((*frame).clone())).is_ok()).count()
    };
    let path = [Input::Frame(Frame::Offer(f.offer(2))), Input::Compared(true)];
    let counts: Vec<_> = (0..=path.len()).map(|length| fits_joiner(&path[..length])).collect();
    assert_eq!(counts, [1, 0, 1], "offer; nothing before its own person has spoken; answer");
}

#[test]
fn another_version_and_a_wish_that_can_not_be_shown_are_refused() {
    let f = Fixture::new();
    let hello = Frame::Hello { version: VERSION + 1, commitment: [0; 32] };
    assert_eq!(Host::new(f.offer(2)).handle(Input::Frame(hello)), Err(LiveError::Version(VERSION + 1)));
    let wished = |wish: &str| {
        let reveal = Reveal { wish: wish.into(), ..f.reveal("ana", 1) };
        let mut host = Host::new(f.offer(2));
        let _ = host.handle(Input::Frame(Joiner::new(reveal.clone()).1)).unwrap();
        host.handle(Input::Frame(Frame::Reveal(reveal))).map(|_| ())
    };
    assert_eq!(wished(&"a".repeat(NAME_BYTES_MAX)), Ok(()));
    for wrong in ["a".repeat(NAME_BYTES_MAX + 1), "\u{1b}[2J".into(), "ana\nEnrolled `chief`".into()] {
        assert_eq!(wished(&wrong), Err(LiveError::Unfit));
    }
}

/// Takes both sides of an enrolment by code to the claim.
fn up_to_claim(f: &Fixture, ours: Reveal, code: &Code) -> (Joiner, Host, Claim) {
    let (mut joiner, hello) = Joiner::with_code(ours, code);
    let mut host = Host::new(Offer { takes: Takes::Codes, ..f.offer(2) });
    let offer = said(&host.handle(Input::Frame(hello)).unwrap());
    let outputs = joiner.handle(Input::Frame(offer)).unwrap();
    let [Output::Send(reveal), Output::Send(prove)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(host.handle(Input::Frame(reveal.clone())).unwrap(), []);
    let mut outputs = host.handle(Input::Frame(prove.clone())).unwrap();
    let Some(Output::Redeem(claim)) = outputs.pop() else { panic!("{outputs:?}") };
    (joiner, host, claim)
}

fn code_of(f: &mut Fixture) -> Code {
    let valid = std::time::Duration::from_secs(3600);
    let batch = Batch { count: 1, roles: Roles::OFFICER, alias_prefix: "tablet".into(), days: 30, valid };
    let made = f.site.make_codes(&batch, NOW_MS).unwrap();
    made[0].1.parse().unwrap()
}

#[test]
fn with_a_code_both_sides_prove_that_they_know_it_and_never_say_it() {
    let mut f = Fixture::new();
    let code = code_of(&mut f);
    let (mut joiner, mut host, claim) = up_to_claim(&f, f.reveal("ana", 1), &code);
    let redeemed = f.site.redeem(&claim, NOW_MS).unwrap();
    let outputs = host.handle(Input::Redeemed(redeemed.text, redeemed.key)).unwrap();
    let outputs = joiner.handle(Input::Frame(said(&outputs))).unwrap();
    assert!(matches!(outputs.as_slice(), [Output::Join(_)]));
    assert_eq!(redeemed.certificate.alias, "tablet-1");
}

#[test]
fn a_proof_fits_one_conversation_one_device_and_one_code() {
    let mut f = Fixture::new();
    let code = code_of(&mut f);
    let (_, _, claim) = up_to_claim(&f, f.reveal("ana", 1), &code);
    let mallory = f.reveal("mallory", 1);
    let (_, _, other) = up_to_claim(&f, mallory.clone(), &code);
    let (_, _, later) = up_to_claim(&f, f.reveal("ana", 9), &code);
    for heard in [other.heard, later.heard] {
        let replayed = Claim { heard, ..claim.clone() };
        assert!(matches!(f.site.redeem(&replayed, NOW_MS), Err(RedeemError::Denied(Denial::Unknown))));
    }
    // Who knows an id and not the code.
    let (_, _, guess) = up_to_claim(&f, mallory, &Code::new([9; SECRET_BYTES]));
    let guess = Claim { code: code.id(), ..guess };
    assert!(matches!(f.site.redeem(&guess, NOW_MS), Err(RedeemError::Denied(Denial::Unknown))));
    assert!(f.site.roster().is_empty());
    assert!(f.site.redeem(&claim, NOW_MS).is_ok());
}

#[test]
fn a_device_with_a_code_joins_nobody_who_does_not_know_it() {
    let mut f = Fixture::new();
    let code = code_of(&mut f);
    let ana = f.reveal("ana", 1);
    let answer = f.certified(&ana.request);
    let wrong = Code::new([9; SECRET_BYTES]).key();
    let (_, _, claim) = up_to_claim(&f, ana.clone(), &code);
    let heard = claim.heard;
    for (proof, text) in [
        (wrong.prove(AUTHORITY, &answered(&heard, &answer)), answer.clone()),
        // Its own proof, sent back.
        (claim.proof, answer.clone()),
        // A proof over another answer.
        (code.key().prove(AUTHORITY, &answered(&heard, "greenline-answer:")), answer.clone()),
    ] {
        let (mut joiner, ..) = up_to_claim(&f, ana.clone(), &code);
        assert_eq!(joiner.handle(Input::Frame(Frame::Proved { text, proof })), Err(LiveError::Impostor));
    }
    let (mut joiner, ..) = up_to_claim(&f, ana, &code);
    assert_eq!(joiner.handle(Input::Frame(Frame::Answer(answer))), Err(LiveError::Unfit), "not without a proof");
}

#[test]
fn codes_and_words_are_not_taken_for_each_other() {
    let mut f = Fixture::new();
    let code = code_of(&mut f);
    // As the device hears it, and as it is.
    let meet = |joiner: (Joiner, Frame), heard, takes| {
        let (mut joiner, hello) = joiner;
        let mut host = Host::new(Offer { takes, ..f.offer(2) });
        let _ = host.handle(Input::Frame(hello)).unwrap();
        let offer = Frame::Offer(Offer { takes: heard, ..f.offer(2) });
        let outputs = joiner.handle(Input::Frame(offer))?;
        let Some(Output::Send(reveal)) = outputs.first() else { panic!("{outputs:?}") };
        host.handle(Input::Frame(reveal.clone())).map(|_| ())
    };
    let (ana, words, codes) = (f.reveal("ana", 1), Takes::Words, Takes::Codes);
    let without = || Joiner::new(ana.clone());
    let with = || Joiner::with_code(ana.clone(), &code);
    assert_eq!(meet(without(), codes, codes), Err(LiveError::NeedsCodeThere));
    assert_eq!(meet(with(), words, words), Err(LiveError::NeedsWordsThere));
    // Somebody in between changed the offer.
    assert_eq!(meet(without(), words, codes), Err(LiveError::NeedsCode));
    assert_eq!(meet(with(), codes, words), Err(LiveError::NeedsWords));
}
