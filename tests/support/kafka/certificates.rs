//! A certificate authority of its own for every secure broker.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Files in PEM, as Kafka and librdkafka read them.
pub struct Certificates {
    pub ca: PathBuf,
    /// Another authority, which signed nothing of this broker.
    pub other_ca: PathBuf,
    /// The broker's key and certificate, for `localhost` only.
    pub broker: PathBuf,
    pub client_certificate: PathBuf,
    pub client_key: PathBuf,
}

impl Certificates {
    pub fn create(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder for certificates");
        let (ca_text, issuer) = authority("whydunit test authority");
        let (other_ca_text, _) = authority("another authority");
        let (broker, broker_key) = signed(&issuer, "broker", &["localhost"], ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = signed(&issuer, "whydunit", &[], ExtendedKeyUsagePurpose::ClientAuth);
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("a certificate file");
            path
        };
        Self {
            ca: write("ca.pem", &ca_text),
            other_ca: write("other-ca.pem", &other_ca_text),
            broker: write("broker.pem", &format!("{broker_key}{broker}")),
            client_certificate: write("client.pem", &client),
            client_key: write("client.key", &client_key),
        }
    }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names to refuse");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), Issuer::new(params, key))
}

fn signed(issuer: &Issuer<'static, KeyPair>, name: &str, hosts: &[&str], usage: ExtendedKeyUsagePurpose) -> (String, String) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}
