//! Models made here: linear ones, and networks of as many bootstraps as a test needs.

use std::path::Path;

use anyhow::Result;

/// A linear model of so many pixels that tells one class from another.
///
/// # Errors
/// The disk refuses.
pub fn write_linear(
    folder: &Path,
    (width, height): (u32, u32),
    [first, second]: [&str; 2],
    weights: &[f64],
    bias: f64,
) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let form = format!(
        "title = \"{first} or {second}\"\npurpose = \"Tells {first} from {second}.\"\n\
         classes = [\"{first}\", \"{second}\"]\n\
         [input]\nwidth = {width}\nheight = {height}\nscale = 255\n\
         [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\nbias = {bias}\n"
    );
    std::fs::write(folder.join("model.toml"), form)?;
    let shape = format!("({}, 1)", weights.len());
    std::fs::write(folder.join("w.npy"), npy(&shape, weights))?;
    Ok(())
}

/// A network of 8 x 8 pixels and three classes: every unit looks at a stripe.
///
/// # Errors
/// The folder is there already, or the disk refuses.
pub fn write_network(folder: &Path, units: u16) -> Result<()> {
    let form = "title = \"Three things\"\npurpose = \"Tells three things apart.\"\n\
        classes = [\"one\", \"two\", \"three\"]\n\
        [input]\nwidth = 8\nheight = 8\nscale = 255\n\
        [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\nbias = \"b.npy\"\n\
        [[layers]]\nkind = \"lookup\"\ncoefficients = \"c.npy\"\n";
    std::fs::create_dir(folder)?;
    std::fs::write(folder.join("model.toml"), form)?;
    let stripe = |unit: u16, pixel: u16| (pixel * (unit % 5 + 1) / 8 + unit).is_multiple_of(4);
    let weight = |unit, pixel| if stripe(unit, pixel) { 0.1 } else { -0.02 };
    let weights: Vec<f64> = (0..units)
        .flat_map(|unit| (0..64).map(move |pixel| weight(unit, pixel)))
        .collect();
    let biases: Vec<f64> = (0..units)
        .map(|unit| 0.1 * f64::from(unit % 3) - 0.1)
        .collect();
    let size = 4.0 / f64::from(units).sqrt();
    let coefficients: Vec<f64> = (0..u32::from(units) * 2 * 3)
        .map(|at| size * (f64::from((at * 29) % 17) / 8.0 - 1.0))
        .collect();
    let save = |name: &str, shape: &str, values: &[f64]| {
        std::fs::write(folder.join(name), npy(shape, values))
    };
    save("w.npy", &format!("({units}, 64)"), &weights)?;
    save("b.npy", &format!("({units},)"), &biases)?;
    save("c.npy", &format!("({units}, 2, 3)"), &coefficients)?;
    Ok(())
}

/// As `numpy.save` writes an array of float64. `shape` is Python's tuple, such as `(8, 3)`.
pub fn npy(shape: &str, values: &[f64]) -> Vec<u8> {
    let mut head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + head.len() + 1) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    // A tuple of numbers is far shorter than this.
    let length = u16::try_from(head.len()).unwrap_or(u16::MAX);
    file.extend(length.to_le_bytes());
    file.extend(head.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}
