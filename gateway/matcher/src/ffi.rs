//! The C functions of NIST's mindtct and bozorth3 that the crate `nbis-rs` builds and links, declared here because its own
//! Rust face skips the sort that bozorth3 needs, isn't thread safe, and panics on large templates.
//!
//! This is the only file with `unsafe` in it. What leaves it is safe to call, with one exception that no wrapper can mend:
//! the C code ends the process on some inputs. So it only runs in worker processes.
//!
//! Both libraries keep their tables in global variables. [`Matcher`] is the right to touch them: there is one per process,
//! and every call borrows it mutably.

#![allow(unsafe_code, reason = "calling C is unsafe; this is the only file that does")]

use std::{
    ffi::{c_double, c_int, c_uchar, c_void},
    ptr::{self, null_mut},
    slice,
    sync::atomic::{AtomicBool, Ordering},
};

// Links the C libraries; nothing of the crate's Rust face is used.
use nbis as _;

/// Rows of `struct xyt_struct` (`MAX_BOZORTH_MINUTIAE` in bozorth.h).
const XYT_ROWS: usize = 200;

/// Rows and columns of the table `colp` (bz_array.h).
const COLP_ROWS: usize = 20_000;
const COLP_COLUMNS: usize = 5;

/// What `bz_match_score` returns when its queue overflowed (`QQ_OVERFLOW_SCORE` in bozorth.h): not a score.
const OVERFLOW_SCORE: c_int = 4000;

/// Pixels per millimetre at 500 pixels per inch.
const PIXELS_PER_MM: c_double = 500.0 / 25.4;

/// `get_minutiae` takes no other depth.
const BITS_PER_PIXEL: c_int = 8;

/// Returned by [`Matcher::detect`] itself, beside mindtct's own negative codes: the buffer doesn't have the stated size.
const BAD_BUFFER: i32 = i32::MIN;

/// `struct minutia` of lfs.h.
#[repr(C)]
struct CMinutia {
    x: c_int,
    y: c_int,
    ex: c_int,
    ey: c_int,
    direction: c_int,
    reliability: c_double,
    kind: c_int,
    appearing: c_int,
    feature_id: c_int,
    nbrs: *mut c_int,
    ridge_counts: *mut c_int,
    num_nbrs: c_int,
}

/// `struct minutiae` of lfs.h.
#[repr(C)]
struct CMinutiae {
    alloc: c_int,
    num: c_int,
    list: *mut *mut CMinutia,
}

/// `struct lfsparms` of lfs.h: only ever passed on by address, so its fields don't matter here.
#[repr(C)]
struct LfsParms {
    opaque: [u8; 0],
}

/// `struct xyt_struct` of bozorth.h.
#[repr(C)]
struct CXyt {
    nrows: c_int,
    x: [c_int; XYT_ROWS],
    y: [c_int; XYT_ROWS],
    theta: [c_int; XYT_ROWS],
}

unsafe extern "C" {
    /// NIST's default parameters of the second version of the detector (globals.c); never written.
    static lfsparms_V2: LfsParms;

    /// Where bozorth3 writes its warnings. It starts as null, and a warning would then end the process.
    static mut errorfp: *mut c_void;

    /// The C library's standard error stream.
    #[cfg_attr(any(target_os = "macos", target_os = "ios"), link_name = "__stderrp")]
    static stderr: *mut c_void;

    /// bozorth3's list of compatible edge pairs.
    static mut colp: [[c_int; COLP_COLUMNS]; COLP_ROWS];

    fn get_minutiae(
        minutiae: *mut *mut CMinutiae,
        quality_map: *mut *mut c_int,
        direction_map: *mut *mut c_int,
        low_contrast_map: *mut *mut c_int,
        low_flow_map: *mut *mut c_int,
        high_curve_map: *mut *mut c_int,
        map_width: *mut c_int,
        map_height: *mut c_int,
        binary: *mut *mut c_uchar,
        binary_width: *mut c_int,
        binary_height: *mut c_int,
        binary_depth: *mut c_int,
        pixels: *mut c_uchar,
        width: c_int,
        height: c_int,
        depth: c_int,
        pixels_per_mm: c_double,
        parameters: *const LfsParms,
    ) -> c_int;
    fn free_minutiae(minutiae: *mut CMinutiae);
    fn free(memory: *mut c_void);

    fn bozorth_probe_init(probe: *mut CXyt) -> c_int;
    fn bozorth_gallery_init(gallery: *mut CXyt) -> c_int;
    fn bz_match(probe_edges: c_int, gallery_edges: c_int) -> c_int;
    fn bz_match_score(pairs: c_int, probe: *mut CXyt, gallery: *mut CXyt) -> c_int;
}

static CLAIMED: AtomicBool = AtomicBool::new(false);

/// The right to run the C code in this process: claimed once, so that its global tables have one user. Claim it in a process
/// that may die (a worker); everyone else uses [`crate::Pool`].
#[derive(Debug)]
pub struct Matcher {
    _claimed: (),
}

/// Another part of this process has the matcher.
#[derive(Debug, thiserror::Error)]
#[error("the matcher is already claimed in this process: its C code has one user a process, start another worker")]
pub struct AlreadyClaimed;

/// A minutia as mindtct reports it.
pub(crate) struct Detected {
    pub(crate) x: i32,
    pub(crate) y: i32,
    /// In steps of 11.25 degrees, clockwise from north.
    pub(crate) direction: i32,
    /// 0 to 1.
    pub(crate) reliability: f64,
    pub(crate) bifurcation: bool,
}

/// Points in the form that bozorth3 reads: at most 200, sorted by x, then y; angles in (-180, 180] degrees.
pub(crate) struct Points(Box<CXyt>);

impl Points {
    /// Points from `(x, y, angle in degrees)`, in the order given; what is above the table's size is left out.
    pub(crate) fn new(points: impl Iterator<Item = (i32, i32, i32)>) -> Points {
        let mut table = CXyt { nrows: 0, x: [0; XYT_ROWS], y: [0; XYT_ROWS], theta: [0; XYT_ROWS] };
        for (row, (x, y, theta)) in points.take(XYT_ROWS).enumerate() {
            table.x[row] = x;
            table.y[row] = y;
            table.theta[row] = theta;
            table.nrows += 1;
        }
        Points(Box::new(table))
    }
}

impl Matcher {
    /// The matcher of this process, the first time; an error ever after.
    pub fn claim() -> Result<Matcher, AlreadyClaimed> {
        if CLAIMED.swap(true, Ordering::AcqRel) {
            return Err(AlreadyClaimed);
        }
        // SAFETY: `errorfp` and `stderr` are pointers in the linked C code with the type FILE*. The claim above is taken
        // once a process, so nobody else reads or writes `errorfp` at the same time.
        unsafe { errorfp = stderr };
        Ok(Matcher { _claimed: () })
    }

    /// Runs mindtct on an 8-bit gray image of 500 pixels per inch; otherwise its negative error code.
    pub(crate) fn detect(&mut self, pixels: &mut [u8], width: u16, height: u16) -> Result<Vec<Detected>, i32> {
        if pixels.len() != usize::from(width) * usize::from(height) {
            return Err(BAD_BUFFER);
        }
        let mut found: *mut CMinutiae = null_mut();
        let mut maps: [*mut c_int; 5] = [null_mut(); 5];
        let mut binary: *mut c_uchar = null_mut();
        let mut sizes: [c_int; 5] = [0; 5];
        let [quality, direction, low_contrast, low_flow, high_curve] = &mut maps;
        let [map_width, map_height, binary_width, binary_height, binary_depth] = &mut sizes;
        // SAFETY: every pointer is to a live local of the declared C type, `pixels` holds width x height bytes (checked
        // above), and `&mut self` keeps the library's global tables to this call.
        let code = unsafe {
            get_minutiae(
                &raw mut found,
                quality,
                direction,
                low_contrast,
                low_flow,
                high_curve,
                map_width,
                map_height,
                &raw mut binary,
                binary_width,
                binary_height,
                binary_depth,
                pixels.as_mut_ptr(),
                c_int::from(width),
                c_int::from(height),
                BITS_PER_PIXEL,
                PIXELS_PER_MM,
                &raw const lfsparms_V2,
            )
        };
        if code != 0 {
            // On an error the library has freed its buffers and left ours null.
            return Err(code);
        }
        // SAFETY: on success `found` is the list that the library allocated for us, not yet freed.
        let detected = unsafe { copy_minutiae(found) };
        // SAFETY: on success these were allocated by the library with malloc, are ours now, and are freed once. `free` takes
        // null.
        unsafe {
            free_minutiae(found);
            maps.into_iter().for_each(|map| free(map.cast()));
            free(binary.cast());
        }
        Ok(detected)
    }

    /// Builds bozorth3's table for a probe, in global memory; returns its number of edges.
    pub(crate) fn load_probe(&mut self, probe: &mut Points) -> i32 {
        // SAFETY: the pointer is to a live table of the C type, with at most 200 rows; `&mut self` keeps the global tables
        // to this call.
        unsafe { bozorth_probe_init(ptr::from_mut(&mut *probe.0)) }
    }

    /// Scores the probe loaded last, which has `edges` edges, against `gallery`; `None` when bozorth3's queue overflows.
    pub(crate) fn score(&mut self, edges: i32, probe: &mut Points, gallery: &mut Points) -> Option<u32> {
        let [probe, gallery] = [probe, gallery].map(|points| ptr::from_mut(&mut *points.0));
        // SAFETY: both pointers are to live, distinct tables of the C type; `edges` is what `load_probe` returned for
        // `probe`, and `&mut self` keeps the global tables to this call. `bz_match` returns at most 19,999.
        let score = unsafe {
            let pairs = bz_match(edges, bozorth_gallery_init(gallery));
            end_pairs(usize::try_from(pairs).ok()?);
            bz_match_score(pairs, probe, gallery)
        };
        if score >= OVERFLOW_SCORE { None } else { u32::try_from(score).ok() }
    }
}

/// Writes an empty row after the last edge pair: `bz_match_score` reads one row too far, and would find what an earlier, longer
/// comparison left there, so that a score would depend on the comparison before it.
///
/// # Safety
/// The caller is the only one to touch bozorth3's tables.
unsafe fn end_pairs(pairs: usize) {
    if pairs < COLP_ROWS {
        // SAFETY: the row is inside the table (checked), and the caller is its only user.
        unsafe { colp[pairs] = [0; COLP_COLUMNS] };
    }
}

/// Copies the library's list.
///
/// # Safety
/// `found` is null or a list as `get_minutiae` made it.
unsafe fn copy_minutiae(found: *const CMinutiae) -> Vec<Detected> {
    // SAFETY: null or valid, as the caller promises.
    let Some(list) = (unsafe { found.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.num).unwrap_or(0);
    if count == 0 || list.list.is_null() {
        return Vec::new();
    }
    // SAFETY: the library keeps `num` pointers at `list`.
    let rows = unsafe { slice::from_raw_parts(list.list, count) };
    // SAFETY: each pointer is null or to a minutia of the list.
    rows.iter().filter_map(|row| unsafe { row.as_ref() }).map(detected).collect()
}

fn detected(minutia: &CMinutia) -> Detected {
    Detected {
        x: minutia.x,
        y: minutia.y,
        direction: minutia.direction,
        reliability: minutia.reliability,
        bifurcation: minutia.kind == 0,
    }
}
