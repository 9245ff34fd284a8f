//! The four stations, one after the other.

mod analysis;
mod key;
mod pictures;
mod result;

pub use analysis::AnalysisStation;
pub use key::KeyStation;
pub use pictures::PicturesStation;
pub use result::ResultStation;
