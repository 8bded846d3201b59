//! The one way to the keys in a folder: by a passphrase that is asked for or lies in a file, by a key file, or by nothing
//! where nothing protects them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::FalseyValueParser;
use node::authority;
use node::enrol::SiteFolder;
use node::home::{Home, HomeError, read_key_file};
use node::keystore::{KeystoreError, Opener, Passphrase, Protection};
use zeroize::Zeroizing;

use crate::client::HomeArg;
use crate::failure::Failure;
use crate::input;

/// Times that a person may mistype before the command gives up.
const TRIES: usize = 3;

/// What opens keys.
#[derive(Args, Debug, Clone)]
pub(crate) struct OpenerArg {
    /// A file that holds the passphrase; without one, a terminal asks for it
    #[arg(long, env = "GREENLINE_PASSPHRASE_FILE", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The key file, where one protects the keys
    #[arg(long, env = "GREENLINE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// What new keys are put under.
#[derive(Args, Debug, Clone)]
pub(crate) struct NewKeysArg {
    #[command(flatten)]
    opener: OpenerArg,
    /// Leave new keys unprotected: whoever copies the folder has them
    #[arg(long, env = "GREENLINE_NO_PASSPHRASE", value_parser = FalseyValueParser::new())]
    no_passphrase: bool,
}

/// A device's folder and what opens its keys.
#[derive(Args, Debug, Clone)]
pub(crate) struct KeysArg {
    #[command(flatten)]
    pub(crate) home: HomeArg,
    #[command(flatten)]
    pub(crate) opener: OpenerArg,
}

impl KeysArg {
    /// The device's folder with its keys.
    pub(crate) fn unlock(&self) -> Result<Home, Failure> {
        self.opener.home(&self.home.home)
    }
}

impl OpenerArg {
    /// A device's folder with its keys.
    pub(crate) fn home(&self, dir: &Path) -> Result<Home, Failure> {
        let protection = Home::open(dir)?.protection()?;
        self.open(protection, dir, |opener| Home::unlock(dir, opener)).map(|(home, _)| home)
    }

    /// The passphrase of a folder, from its file or from a person.
    pub(crate) fn passphrase(&self, what: &Path) -> Result<Zeroizing<String>, Failure> {
        match &self.passphrase_file {
            Some(file) => passphrase_in(file),
            None if std::io::stdin().is_terminal() => ask(&format!("Passphrase of {}: ", what.display())),
            None => Err(unfit(KeystoreError::NeedsPassphrase)),
        }
    }

    /// The text of the key file.
    pub(crate) fn key_file_text(&self) -> Result<Zeroizing<String>, Failure> {
        let file = self.key_file.as_ref().ok_or_else(|| unfit(KeystoreError::NeedsKeyFile))?;
        // Read as what it is first: a wrong file is told apart here.
        read_key_file(file)?;
        input::text(file)
    }

    /// An authority's folder with its key.
    pub(crate) fn site(&self, dir: &Path) -> Result<SiteFolder, Failure> {
        self.site_and_opener(dir).map(|(folder, _)| folder)
    }

    /// The same, and what opened it.
    pub(crate) fn site_and_opener(&self, dir: &Path) -> Result<(SiteFolder, Opener), Failure> {
        self.open(authority::protection(dir)?, dir, |opener| SiteFolder::unlock(dir, opener))
    }

    /// Opens what is under `protection`; whoever sits at a terminal may try again. Returns what opened it, too.
    pub(crate) fn open<T>(
        &self,
        protection: Protection,
        what: &Path,
        open: impl Fn(&Opener) -> Result<T, HomeError>,
    ) -> Result<(T, Opener), Failure> {
        for _ in 1..TRIES {
            let (opener, asked) = self.opener(protection, what)?;
            match open(&opener) {
                Err(HomeError::Keystore { error: KeystoreError::WrongPassphrase, .. }) if asked => {
                    eprintln!("That isn't the passphrase.");
                }
                opened => return Ok((opened?, opener)),
            }
        }
        let (opener, _) = self.opener(protection, what)?;
        Ok((open(&opener)?, opener))
    }

    /// What opens keys under `protection`, and whether a person was asked for it.
    fn opener(&self, protection: Protection, what: &Path) -> Result<(Opener, bool), Failure> {
        Ok(match (protection, &self.passphrase_file, &self.key_file) {
            (Protection::Nothing, ..) | (Protection::KeyFile, _, None) => (Opener::Nothing, false),
            (Protection::KeyFile, _, Some(file)) => (Opener::KeyFile(read_key_file(file)?), false),
            (Protection::Passphrase(_), Some(file), _) => {
                (Opener::Passphrase(Passphrase::typed(passphrase_in(file)?)), false)
            }
            (Protection::Passphrase(_), None, _) if std::io::stdin().is_terminal() => {
                let typed = ask(&format!("Passphrase of {}: ", what.display()))?;
                (Opener::Passphrase(Passphrase::typed(typed)), true)
            }
            // The keystore says what it needs.
            (Protection::Passphrase(_), None, _) => (Opener::Nothing, false),
        })
    }

    /// What new keys are put under, if anything was given or somebody can be asked.
    fn new_opener(&self, what: &str) -> Result<Option<Opener>, Failure> {
        if let Some(file) = &self.key_file {
            return Ok(Some(Opener::KeyFile(read_key_file(file)?)));
        }
        let chosen = match &self.passphrase_file {
            Some(file) => passphrase_in(file)?,
            None if std::io::stdin().is_terminal() => ask_twice(what)?,
            None => return Ok(None),
        };
        Ok(Some(Opener::Passphrase(Passphrase::chosen(chosen).map_err(unfit)?)))
    }
}

impl NewKeysArg {
    /// A device's folder with its keys, which are made if there are none.
    pub(crate) fn home(&self, dir: &Path) -> Result<Home, Failure> {
        match Home::open(dir) {
            Ok(_) => self.opener.home(dir),
            Err(HomeError::Missing { .. }) => Ok(Home::create_under(dir, &self.new_opener("this device")?)?),
            Err(error) => Err(error.into()),
        }
    }

    /// A device's folder, which must have keys.
    pub(crate) fn old_home(&self, dir: &Path) -> Result<Home, Failure> {
        self.opener.home(dir)
    }

    /// What new keys are put under.
    pub(crate) fn new_opener(&self, what: &str) -> Result<Opener, Failure> {
        // What protects more goes first.
        if self.no_passphrase && self.opener.passphrase_file.is_none() && self.opener.key_file.is_none() {
            return Ok(Opener::Nothing);
        }
        self.opener.new_opener(what)?.ok_or_else(|| {
            Failure::new(format!("new keys of {what} need a passphrase, and there is nobody to ask for one")).hint(
                "run the command in a terminal, or give --passphrase-file FILE, --key-file FILE, or --no-passphrase for an \
                 exercise",
            )
        })
    }
}

/// What keys are put under from now on.
#[derive(Args, Debug, Clone)]
pub(crate) struct ProtectArg {
    /// A file that holds the new passphrase; without one, a terminal asks for it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_key_file", "no_passphrase"])]
    new_passphrase_file: Option<PathBuf>,
    /// A key file to protect the keys with, in the place of a passphrase
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    new_key_file: Option<PathBuf>,
    /// Take the protection away: whoever copies the folder has the keys
    #[arg(long)]
    no_passphrase: bool,
}

impl ProtectArg {
    pub(crate) fn new_opener(&self, what: &str) -> Result<Opener, Failure> {
        let opener =
            OpenerArg { passphrase_file: self.new_passphrase_file.clone(), key_file: self.new_key_file.clone() };
        if self.no_passphrase {
            return Ok(Opener::Nothing);
        }
        opener.new_opener(what)?.ok_or_else(|| {
            Failure::new("there is nobody to ask for the new passphrase")
                .hint("run the command in a terminal, or give --new-passphrase-file FILE or --new-key-file FILE")
        })
    }
}

/// What protects an exported file: never nothing.
#[derive(Args, Debug, Clone)]
pub(crate) struct CoverArg {
    /// A file that holds the passphrase of the exported file; without one, a terminal asks for it
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
    new_passphrase_file: Option<PathBuf>,
    /// A key file to protect the exported file with, in the place of a passphrase
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

impl CoverArg {
    pub(crate) fn new_opener(&self, what: &str) -> Result<Opener, Failure> {
        let CoverArg { new_passphrase_file, new_key_file } = self.clone();
        ProtectArg { new_passphrase_file, new_key_file, no_passphrase: false }.new_opener(what)
    }
}

/// The first line of a file.
pub(crate) fn passphrase_in(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = input::text(file)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn ask_twice(what: &str) -> Result<Zeroizing<String>, Failure> {
    eprintln!("The keys of {what} are put under a passphrase. It can't be reset: without it, the keys are lost.");
    let first = ask("New passphrase: ")?;
    // Before it is typed a second time.
    Passphrase::chosen(first.clone()).map_err(unfit)?;
    match first == ask("Once more: ")? {
        true => Ok(first),
        false => Err(Failure::new("the two aren't the same").hint("nothing was changed; begin again")),
    }
}

/// Asks at the terminal, without an echo.
pub(crate) fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = rpassword::prompt_password(prompt);
    typed.map(Zeroizing::new).map_err(|error| Failure::new(format!("the terminal can't be read: {error}")))
}

fn unfit(error: KeystoreError) -> Failure {
    Failure::new(error).hint(error.hint())
}
