//! The yardstick: a keyswitch and a bootstrap as tfhe does them, one after the other, with the parameters
//! that its networks of this size would take.

use darkroom_fhe::seed::Randomness;
use tfhe::core_crypto::commons::math::random::Seeder;
use tfhe::core_crypto::prelude::*;

// V1_4_PARAM_MESSAGE_3_CARRY_0_KS_PBS_GAUSSIAN_2M128 of tfhe 1.8.2.
const LWE_DIMENSION: LweDimension = LweDimension(884);
const LWE_DEVIATION: f64 = 1.499_900_593_439_687_3e-6;
const GLWE_DIMENSION: GlweDimension = GlweDimension(2);
const POLYNOMIAL_SIZE: PolynomialSize = PolynomialSize(1024);
const GLWE_DEVIATION: f64 = 2.845_267_479_601_915e-15;
const BOOTSTRAP_BASE: DecompositionBaseLog = DecompositionBaseLog(23);
const BOOTSTRAP_LEVELS: DecompositionLevelCount = DecompositionLevelCount(1);
const KEYSWITCH_BASE: DecompositionBaseLog = DecompositionBaseLog(5);
const KEYSWITCH_LEVELS: DecompositionLevelCount = DecompositionLevelCount(3);

/// Keys, an input and a table of tfhe's own.
pub struct Yardstick {
    keyswitch: LweKeyswitchKeyOwned<u64>,
    bootstrap: FourierLweBootstrapKeyOwned,
    fft: Fft,
    input: LweCiphertextOwned<u64>,
    table: GlweCiphertextOwned<u64>,
}

impl Yardstick {
    pub fn new() -> Self {
        let mut seeder = Randomness::system().unwrap();
        let native = CiphertextModulus::new_native();
        let gaussian = |deviation| Gaussian::from_dispersion_parameter(StandardDev(deviation), 0.0);
        let seed = seeder.seed();
        let mut secrets = SecretRandomGenerator::<DefaultRandomGenerator>::new(seed);
        let seed = seeder.seed();
        let mut masks = EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seed, &mut seeder);
        let small: LweSecretKeyOwned<u64> =
            allocate_and_generate_new_binary_lwe_secret_key(LWE_DIMENSION, &mut secrets);
        let glwe: GlweSecretKeyOwned<u64> = allocate_and_generate_new_binary_glwe_secret_key(
            GLWE_DIMENSION,
            POLYNOMIAL_SIZE,
            &mut secrets,
        );
        let large = glwe.clone().into_lwe_secret_key();
        let keyswitch = allocate_and_generate_new_lwe_keyswitch_key(
            &large,
            &small,
            KEYSWITCH_BASE,
            KEYSWITCH_LEVELS,
            gaussian(LWE_DEVIATION),
            native,
            &mut masks,
        );
        let noise = gaussian(GLWE_DEVIATION);
        let standard = par_allocate_and_generate_new_lwe_bootstrap_key(
            &small,
            &glwe,
            BOOTSTRAP_BASE,
            BOOTSTRAP_LEVELS,
            noise,
            native,
            &mut masks,
        );
        let mut bootstrap = FourierLweBootstrapKeyOwned::new(
            LWE_DIMENSION,
            GLWE_DIMENSION.to_glwe_size(),
            POLYNOMIAL_SIZE,
            BOOTSTRAP_BASE,
            BOOTSTRAP_LEVELS,
        );
        convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        let plain = Plaintext(1 << 60);
        let input =
            allocate_and_encrypt_new_lwe_ciphertext(&large, plain, noise, native, &mut masks);
        let size = GLWE_DIMENSION.to_glwe_size();
        Self {
            keyswitch,
            bootstrap,
            fft: Fft::new(POLYNOMIAL_SIZE),
            input,
            table: GlweCiphertext::new(1 << 60, size, POLYNOMIAL_SIZE, native),
        }
    }

    /// So many keyswitches and bootstraps, on this thread.
    pub fn run(&self, times: usize) {
        let native = CiphertextModulus::new_native();
        let fft = self.fft.as_view();
        let mut buffers = ComputationBuffers::new();
        let needed = programmable_bootstrap_lwe_ciphertext_mem_optimized_requirement::<u64>(
            GLWE_DIMENSION.to_glwe_size(),
            POLYNOMIAL_SIZE,
            fft,
        );
        buffers.resize(needed.unaligned_bytes_required());
        let mut small = LweCiphertext::new(0, LWE_DIMENSION.to_lwe_size(), native);
        let mut output = LweCiphertext::new(0, self.input.lwe_size(), native);
        for _ in 0..times {
            keyswitch_lwe_ciphertext(&self.keyswitch, &self.input, &mut small);
            programmable_bootstrap_lwe_ciphertext_mem_optimized(
                &small,
                &mut output,
                &self.table,
                &self.bootstrap,
                fft,
                buffers.stack(),
            );
        }
        std::hint::black_box(&output);
    }
}
