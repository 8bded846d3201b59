//! scratch
use std::time::Instant;
use synth::*;
fn main() {
    let out = std::env::args().nth(1).unwrap();
    let n: u32 = 6;
    let mut sheet = image::GrayImage::from_pixel(WIDTH_PX * n, HEIGHT_PX * 4, image::Luma([255]));
    let _ = Person::new(1,999).finger(2);
    let (mut tm, mut ti) = (0.0, 0.0);
    for i in 0..n {
        let t = Instant::now();
        let m = Person::new(1, i).finger(if i % 2 == 0 { 2 } else { 7 });
        tm += t.elapsed().as_secs_f64();
        println!("{i} {:?}", m.pattern());
        for (row, (idx, q)) in [(0, Quality::Good), (1, Quality::Good), (2, Quality::Worn), (3, Quality::Smudged)].into_iter().enumerate() {
            let t = Instant::now();
            let im = m.impression(idx, q);
            ti += t.elapsed().as_secs_f64();
            println!("png {}", print_png(&im).len());
            image::imageops::replace(&mut sheet, &im, (i * WIDTH_PX) as i64, (row as u32 * HEIGHT_PX) as i64);
        }
    }
    println!("master {:.1} ms, impression {:.1} ms", tm / n as f64 * 1e3, ti / n as f64 / 4.0 * 1e3);
    sheet.save(out.clone() + "/sheet.png").unwrap();
    let mut faces = image::GrayImage::new(480 * 4, 600);
    for i in 0..4 { image::imageops::replace(&mut faces, &Person::new(1, i).face(), i as i64 * 480, 0); println!("{:?}", Person::new(1,i).particulars()); }
    faces.save(out + "/faces.png").unwrap();
}
