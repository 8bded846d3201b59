//! How alike two templates are, with bozorth3.

use crate::{
    ffi::{Matcher, Points},
    template::Template,
};

/// A probe whose table is in the C library: compare it with as many templates as needed before the next one is loaded.
pub struct Probe<'m> {
    matcher: &'m mut Matcher,
    points: Points,
    edges: i32,
}

impl Matcher {
    /// Loads a probe. The matcher stays borrowed, since its tables hold one probe at a time.
    pub fn probe(&mut self, template: &Template) -> Probe<'_> {
        let mut points = points(template);
        let edges = self.load_probe(&mut points);
        Probe { matcher: self, points, edges }
    }
}

impl Probe<'_> {
    /// bozorth3's score: 0 for nothing in common, some 20 at most for two fingers, hundreds for one (the distributions are in
    /// [`crate::score`]). `None` if the two can't be scored, because the prints are so repetitive that its queue overflows.
    pub fn score(&mut self, gallery: &Template) -> Option<u32> {
        let mut gallery = points(gallery);
        self.matcher.score(self.edges, &mut self.points, &mut gallery)
    }
}

/// Template order is the x-y order that bozorth3 needs; it takes angles in (-180, 180], as NIST's own loader makes them.
fn points(template: &Template) -> Points {
    Points::new(template.minutiae().iter().map(|minutia| {
        let angle = i32::from(minutia.angle);
        (i32::from(minutia.x), i32::from(minutia.y), if angle > 180 { angle - 360 } else { angle })
    }))
}
