//! The quantum part of BB84, simulated: photons, the fibre they travel through, and whoever sits on
//! it. Nothing outside of this module can look into a [`Photon`]; it can only measure it.

mod fibre;
mod photon;
mod pulses;

pub(crate) use self::fibre::Fibre;
pub(crate) use self::photon::{Basis, Photon};
pub(crate) use self::pulses::Pulses;
