//! Package URLs, by which CDEvents names artifacts: `pkg:oci/cart@sha256%3A0b31…?repository_url=ghcr.io/shop&tag=1.4.2`.

/// The parts of a package URL that a person goes by.
#[derive(Debug, PartialEq)]
pub(super) struct Artifact {
    /// Decoded, without qualifiers: `cart@sha256:0b31…`.
    pub(super) label: String,
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// Reference of a container image.
    pub(super) image: Option<String>,
}

/// Reads a package URL; `None` for any other text.
pub(super) fn parse(text: &str) -> Option<Artifact> {
    let rest = text.strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split('#').next().unwrap_or(rest);
    let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let (kind, path) = path.split_once('/')?;
    let (path, version) = match path.rsplit_once('@') {
        Some((path, version)) => (path, Some(decoded(version))),
        None => (path, None),
    };
    let name = decoded(path.trim_end_matches('/').rsplit('/').next().unwrap_or(path));
    if name.is_empty() {
        return None;
    }
    let version = version.filter(|version| !version.is_empty());
    let label = version.as_ref().map_or_else(|| name.clone(), |version| format!("{name}@{version}"));
    let image = matches!(kind, "oci" | "docker").then(|| image(&decoded(path), version.as_deref(), qualifiers));
    Some(Artifact { label, name, version, image })
}

fn image(path: &str, version: Option<&str>, qualifiers: &str) -> String {
    let qualifier = |key: &str| {
        let mut pairs = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| decoded(value))
    };
    let place = qualifier("repository_url").map_or_else(
        || path.to_owned(),
        // Some write the registry with the image's name, some without.
        |url| if url.ends_with(path) { url } else { format!("{}/{path}", url.trim_end_matches('/')) },
    );
    match (qualifier("tag"), version) {
        (Some(tag), _) => format!("{place}:{tag}"),
        (None, Some(digest)) if digest.contains(':') => format!("{place}@{digest}"),
        (None, Some(tag)) => format!("{place}:{tag}"),
        (None, None) => place,
    }
}

/// Percent-decoded; what is not UTF-8 then becomes replacement characters.
fn decoded(text: &str) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_artifact_is_known_by_name_version_and_image() {
        let image = |text: &str| parse(text).unwrap().image;
        let cart = parse("pkg:oci/cart@sha256%3A0b31?repository_url=ghcr.io/shop/cart&tag=1.4.2").unwrap();
        assert_eq!((cart.name.as_str(), cart.version.as_deref(), cart.label.as_str()), ("cart", Some("sha256:0b31"), "cart@sha256:0b31"));
        assert_eq!(cart.image.as_deref(), Some("ghcr.io/shop/cart:1.4.2"));
        assert_eq!(image("pkg:oci/cart@sha256%3A0b31?repository_url=ghcr.io%2Fshop").as_deref(), Some("ghcr.io/shop/cart@sha256:0b31"));
        assert_eq!(image("pkg:docker/shop/cart@1.4").as_deref(), Some("shop/cart:1.4"));
        let module = parse("pkg:golang/mygit.com/shop/cart@v1.2.3#cmd").unwrap();
        assert_eq!((module.name.as_str(), module.version.as_deref(), module.image), ("cart", Some("v1.2.3"), None));
    }

    #[test]
    fn other_texts_are_no_package_urls() {
        for text in ["", "pkg:", "pkg:oci", "pkg:oci/", "cart:1.2", "https://ghcr.io/shop/cart"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_gives_a_value(text in ".{0,60}") {
            parse(&text);
            parse(&format!("pkg:oci/{text}"));
        }

        #[test]
        fn what_is_encoded_comes_back(name in "[ -~]{1,20}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(parse(&format!("pkg:npm/{encoded}@1")).unwrap().name, name);
        }
    }
}
