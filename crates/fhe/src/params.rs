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
    /// Bits of a torus element that travel in a result, after the modulus switch.
    pub result_bits: u32,
    /// What bootstrapping takes, where the set is made for it.
    pub bootstrap: Option<Bootstrap>,
}

/// What bootstrapping takes beside the GLWE key: a small LWE key on a torus of 2^32, and how
/// ciphertexts come under it and back.
///
/// Security: all of it is public.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// Bits of the small key, n: external products of one blind rotation.
    pub small_dimension: usize,
    /// Standard deviation of the noise under the small key, as part of the torus; a Gaussian.
    pub small_deviation: f64,
    /// Bits of the one digit of a coefficient in an external product.
    pub base_log: u32,
    /// Bits of a digit of the keyswitch.
    pub keyswitch_base_log: u32,
    /// Digits of the keyswitch.
    pub keyswitch_levels: usize,
    /// Bits of a body of the bootstrap key that travel, of 64.
    pub body_bits: u32,
    /// Bits of a body of a keyswitch key that travel, of 32.
    pub keyswitch_body_bits: u32,
    /// Bits of the small key in one part of the evaluation key.
    pub bits_per_part: usize,
}

impl Eq for Bootstrap {}

/// How pixels lie in an encrypted image, whatever model takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PixelEncoding {
    /// A pixel is multiplied by 2 to this.
    pub scale_log2: u32,
    /// Bits of a body that travel in an encrypted image.
    pub body_bits: u32,
}

/// The images, and the results of linear models: tfhe's
/// `V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`, its GLWE part. 128 bits of security or more.
pub const IMAGE: ParameterSet = ParameterSet {
    id: 1,
    glwe_dimension: 1,
    polynomial_size: 2048,
    noise_bound_log2: 17,
    result_bits: 28,
    bootstrap: None,
};

/// The evaluation keys and results of networks. The GLWE part is that of tfhe's
/// `V1_0_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128`, the LWE part that of its
/// `V1_8_PARAM_GPU_MESSAGE_1_CARRY_1_KS_PBS_GAUSSIAN_2M128`: 128 bits of security or more each.
pub const NETWORK: ParameterSet = ParameterSet {
    id: 2,
    glwe_dimension: 4,
    polynomial_size: 512,
    noise_bound_log2: 17,
    result_bits: 20,
    bootstrap: Some(NETWORK_BOOTSTRAP),
};

/// The bootstrap of [`NETWORK`].
pub const NETWORK_BOOTSTRAP: Bootstrap = Bootstrap {
    small_dimension: 737,
    small_deviation: 1.894717698310226e-05,
    base_log: 23,
    keyswitch_base_log: 3,
    keyswitch_levels: 4,
    body_bits: 47,
    keyswitch_body_bits: 18,
    bits_per_part: 32,
};

/// The one encoding of pixels.
pub const PIXELS: PixelEncoding = PixelEncoding {
    scale_log2: 32,
    body_bits: 40,
};

impl ParameterSet {
    /// The set of this number, if it is known here.
    pub fn by_id(id: u32) -> Option<&'static Self> {
        const ALL: [&ParameterSet; 2] = [&IMAGE, &NETWORK];
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

impl Bootstrap {
    /// LWE ciphertexts of a keyswitch key from an LWE of 2048 bits: one a bit and digit.
    pub const fn keyswitch_rows(&self) -> usize {
        IMAGE.key_bits() * self.keyswitch_levels
    }
}
