//! Evaluation keys as compute holds them.

use super::keyswitch::KeyswitchKey;
use super::rotate::{FourierKey, Rotation, RotationShape};
use crate::Error;
use crate::params::{Bootstrap, ParameterSet};
use crate::stream::{Purpose, Stream};
use crate::wire::{KeyPart, evaluation_key};

/// What bootstrapping takes: both keyswitch keys and the bootstrap key in the Fourier domain.
///
/// Security: public, though it belongs to one owner: results under another key are meaningless.
pub struct EvaluationKey {
    parameters: &'static ParameterSet,
    pub(super) of_images: KeyswitchKey,
    pub(super) of_layers: KeyswitchKey,
    pub(super) bootstrap: FourierKey,
}

impl EvaluationKey {
    /// The number of its parameter set.
    pub fn parameters(&self) -> u32 {
        self.parameters.id
    }

    /// Bytes that it takes in memory.
    pub fn memory_bytes(&self) -> u64 {
        let keyswitch = self.of_images.memory_bytes() + self.of_layers.memory_bytes();
        keyswitch + self.bootstrap.memory_bytes()
    }

    /// Bytes that a key of these parameters takes in memory, also while it is being built; 0 for a set
    /// without bootstrapping.
    pub fn expected_memory_bytes(parameters: u32) -> u64 {
        evaluation_key::set(parameters).map_or(0, |(set, bootstrap)| {
            let of_images = KeyswitchKey::expanded_bytes(&bootstrap);
            let of_layers = KeyswitchKey::seeded_bytes(&bootstrap);
            of_images + of_layers + shape(set, &bootstrap).key_bytes()
        })
    }
}

impl std::fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvaluationKey(set {})", self.parameters.id)
    }
}

fn shape(set: &ParameterSet, bootstrap: &Bootstrap) -> RotationShape {
    RotationShape {
        small_dimension: bootstrap.small_dimension,
        glwe_dimension: set.glwe_dimension,
        polynomial_size: set.polynomial_size,
        base_log: bootstrap.base_log,
    }
}

/// Puts parts together, in any order, without ever holding the whole standard key.
pub struct EvaluationKeyBuilder {
    parameters: &'static ParameterSet,
    bootstrap: Bootstrap,
    keyswitch: Option<(KeyswitchKey, KeyswitchKey)>,
    fourier: FourierKey,
    added: Vec<bool>,
}

impl EvaluationKeyBuilder {
    /// A builder that has no part yet.
    ///
    /// # Errors
    /// [`Error::UnknownParameters`] unless the set is one for bootstrapping.
    pub fn new(parameters: u32) -> Result<Self, Error> {
        let (set, bootstrap) = evaluation_key::set(parameters)?;
        Ok(Self {
            parameters: set,
            bootstrap,
            keyswitch: None,
            fourier: FourierKey::new(shape(set, &bootstrap), Rotation::Lanes)?,
            added: vec![false; usize::from(bootstrap.parts())],
        })
    }

    /// Expands a part into its place.
    ///
    /// Cost: some 10 ms; bench `keys`.
    ///
    /// # Errors
    /// [`Error::WrongParameters`], [`Error::KeyPartTwice`].
    pub fn add(&mut self, part: &KeyPart) -> Result<(), Error> {
        if part.parameters() != self.parameters.id {
            return Err(Error::WrongParameters {
                expected: self.parameters.id,
                found: part.parameters(),
            });
        }
        let index = part.index();
        let added = self.added.get_mut(usize::from(index));
        let added = added.ok_or_else(|| Error::internal("a part beyond the last"))?;
        if std::mem::replace(added, true) {
            return Err(Error::KeyPartTwice { index });
        }
        match index {
            0 => self.add_keyswitch(part),
            _ => self.add_bits(part),
        }
    }

    fn add_keyswitch(&mut self, part: &KeyPart) -> Result<(), Error> {
        let bodies = part.bodies.iter().map(|&body| u32::try_from(body));
        let mut of_images: Vec<u32> = bodies
            .collect::<Result<_, _>>()
            .map_err(|_| Error::internal("a body outside of its torus"))?;
        let of_layers = of_images.split_off(self.bootstrap.keyswitch_rows());
        let (seed, id) = (part.seed, self.parameters.id);
        let key = |purpose, bodies| {
            let masks = move || Stream::new(&seed, id, 0, purpose);
            KeyswitchKey::seeded(&self.bootstrap, masks, bodies)
        };
        self.keyswitch = Some((
            key(Purpose::KeyswitchOfImages, of_images).expanded(),
            // Only networks of two lookup layers need it, and drawing costs less than memory.
            key(Purpose::KeyswitchOfLayers, of_layers),
        ));
        Ok(())
    }

    fn add_bits(&mut self, part: &KeyPart) -> Result<(), Error> {
        let shape = *self.fourier.shape();
        let size = shape.polynomial_size;
        let mask_len = shape.glwe_dimension * size;
        let mut masks = Stream::new(
            &part.seed,
            self.parameters.id,
            part.index(),
            Purpose::Bootstrap,
        );
        let mut ggsw = vec![0; shape.ggsw_len()];
        let bodies = part.bodies.chunks_exact((shape.glwe_dimension + 1) * size);
        for (bit, bodies) in self.bootstrap.small_bits(part.index()).zip(bodies) {
            let rows = ggsw.chunks_exact_mut(shape.accumulator_len());
            for (row, body) in rows.zip(bodies.chunks_exact(size)) {
                masks.fill_u64(&mut row[..mask_len]);
                row[mask_len..].copy_from_slice(body);
            }
            self.fourier.set_bit(bit, &ggsw)?;
        }
        Ok(())
    }

    /// The whole key.
    ///
    /// # Errors
    /// [`Error::KeyPartsMissing`] names the parts that were not added.
    pub fn finish(self) -> Result<EvaluationKey, Error> {
        let missing: Vec<u16> = (0..)
            .zip(&self.added)
            .filter(|(_, a)| !**a)
            .map(|(i, _)| i)
            .collect();
        match self.keyswitch {
            Some((of_images, of_layers)) if missing.is_empty() => Ok(EvaluationKey {
                parameters: self.parameters,
                of_images,
                of_layers,
                bootstrap: self.fourier,
            }),
            _ => Err(Error::KeyPartsMissing { missing }),
        }
    }
}

impl std::fmt::Debug for EvaluationKeyBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let added = self.added.iter().filter(|added| **added).count();
        let parts = self.added.len();
        write!(f, "EvaluationKeyBuilder({added} of {parts} parts)")
    }
}
