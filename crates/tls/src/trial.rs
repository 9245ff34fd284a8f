//! An authority of one's own, to try things with. Its key lies beside its certificates: nothing to
//! protect anything with.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// What signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, signed by the authority.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new authority with a key that only it has.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(name: &str) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        Ok(Self(CertifiedIssuer::self_signed(params, key)?))
    }

    /// The authority's own certificate: what others take as root.
    pub fn root(&self) -> String {
        self.0.pem()
    }

    /// A certificate for 30 days, for servers and clients: `name` is the common name (an SAE's id,
    /// for instance), `hosts` the names and addresses by which it is reached.
    ///
    /// # Errors
    /// A host is not a name that a certificate can hold.
    pub fn issue(&self, name: &str, hosts: &[&str]) -> Result<Issued, rcgen::Error> {
        const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
        let now = SystemTime::now();
        self.issue_for(name, hosts, now - Duration::from_secs(3600), now + MONTH)
    }

    /// The same for another time, which may be over.
    ///
    /// # Errors
    /// A host is not a name that a certificate can hold.
    pub fn issue_for(
        &self,
        name: &str,
        hosts: &[&str],
        from: SystemTime,
        until: SystemTime,
    ) -> Result<Issued, rcgen::Error> {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = from.into();
        params.not_after = until.into();
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// Writes `NAME.pem` and `NAME.key` (readable to the owner only) into a folder; returns both paths.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> std::io::Result<(PathBuf, PathBuf)> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&certificate, &self.certificate)?;
        let mut options = std::fs::OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        options.open(&key)?.write_all(self.key.as_bytes())?;
        Ok((certificate, key))
    }
}
