//! The parameter sets. `docs/PARAMETERS.md` says of every number where it comes from.

/// Everything that the two sides must agree on to understand each other's ciphertexts.
///
/// Security: all of it is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterSet {
    /// The number by which headers name the set. Never given to another set.
    pub id: u32,
    /// GLWE dimension k.
    pub glwe_dimension: usize,
    /// Polynomial size N, and pixels in one GLWE.
    pub polynomial_size: usize,
    /// Fresh noise is uniform on the integers from -2^b to 2^b (its ends half as likely), of 2^64.
    pub noise_bound_log2: u32,
    /// A pixel is multiplied by 2 to this.
    pub pixel_scale_log2: u32,
    /// Bits of a body that travel in an encrypted image.
    pub body_bits: u32,
    /// Bits of a torus element that travel in a result, after the modulus switch.
    pub result_bits: u32,
}

/// The images of linear models: tfhe's `V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`, its
/// GLWE part. 128 bits of security or more.
pub const IMAGE: ParameterSet = ParameterSet {
    id: 1,
    glwe_dimension: 1,
    polynomial_size: 2048,
    noise_bound_log2: 17,
    pixel_scale_log2: 32,
    body_bits: 40,
    result_bits: 28,
};

impl ParameterSet {
    /// The set of this number, if it is known here.
    pub fn by_id(id: u32) -> Option<&'static Self> {
        const ALL: [&ParameterSet; 1] = [&IMAGE];
        ALL.into_iter().find(|set| set.id == id)
    }

    /// Bits of the secret key: the length of an LWE sample extracted from a GLWE, without its body.
    pub const fn key_bits(&self) -> usize {
        self.glwe_dimension * self.polynomial_size
    }

    /// GLWE ciphertexts that hold so many pixels.
    pub const fn glwes(&self, pixels: usize) -> usize {
        pixels.div_ceil(self.polynomial_size)
    }
}
