use std::path::Path;

use serde::Serialize;
use vectr_transport::Identity;

use crate::commands::arguments::IdentityArguments;
use crate::console::report;
use crate::error::CliError;
use crate::network::identity_file;

pub(crate) fn identity(arguments: &IdentityArguments, json: bool) -> Result<(), CliError> {
    let named = arguments.path.as_deref().or(arguments.db.as_deref());
    let file = identity_file(named.unwrap_or(Path::new(".")));
    let fingerprint = Identity::load_or_create(&file)?.fingerprint().to_string();
    let shown = Shown {
        identity_file: file.display().to_string(),
        // The same wording as in a trust error, so that a search for one finds the other.
        paste: format!("tls: {{ pinnedFingerprints: [\"{fingerprint}\"] }}"),
        pin: format!("--pin {fingerprint}"),
        fingerprint,
    };
    report(json, &shown, text)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    fingerprint: String,
    identity_file: String,
    paste: String,
    pin: String,
}

fn text(shown: &Shown) -> String {
    let Shown { fingerprint, identity_file, paste, pin } = shown;
    format!(
        "{fingerprint}\n\nstored in {identity_file}\n\nTo have another node trust this one, add it there\n  in code:            \
         {paste}\n  as an argument:     {pin}\n  as a variable:      QUIC_PINNED_FINGERPRINTS={fingerprint}\n"
    )
}
