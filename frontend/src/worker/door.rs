//! The way into the vault: with the token of whichever generation is the present one, or with an
//! invitation where the vault is not there yet.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use darkroom_api::access::{GENERATION_LAST, TokenRotation, generations};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::token::Token;
use futures_channel::oneshot;
use futures_util::lock::Mutex;
use futures_util::stream::{self, StreamExt};

use super::database::Database;
use super::http::{self, Body, Failure};
use super::identity::{Held, Identity};
use super::services::{JSON, Owned};
use super::stop::Stop;
use super::trouble;
use crate::protocol::{self, Notice, Trouble};

/// How many tokens are tried at a time.
const AT_A_TIME: usize = 8;

/// The door of one key's vault, the same for all tasks.
pub struct Door {
    identity: Rc<Identity>,
    database: Rc<Database>,
    notify: Rc<dyn Fn(Notice)>,
    /// One task at a time looks for the way in; the others wait, and find it open.
    turn: Mutex<()>,
    /// Whether all tokens were tried in vain.
    tried_all: Cell<bool>,
    waiting: RefCell<Option<oneshot::Sender<Token>>>,
    told: Cell<protocol::Door>,
}

impl Door {
    /// The door of whichever key is held.
    pub fn new(identity: Rc<Identity>, database: Rc<Database>, notify: Rc<dyn Fn(Notice)>) -> Self {
        Self {
            identity,
            database,
            notify,
            turn: Mutex::new(()),
            tried_all: Cell::new(false),
            waiting: RefCell::new(None),
            told: Cell::new(protocol::Door::Open),
        }
    }

    /// Notes that the key was made here a moment ago, so that no vault of it can be anywhere.
    pub fn made_here(&self) {
        self.tried_all.set(true);
    }

    /// Hands an invitation to the task that waits for one; gives it back where none does.
    pub fn give(&self, invitation: Token) -> Option<Token> {
        match self.waiting.take() {
            Some(waiting) => waiting.send(invitation).err(),
            None => Some(invitation),
        }
    }

    /// Tells the page where it stands, if that is new; a second invitation that is refused is.
    pub(super) fn tell(&self, state: protocol::Door) {
        let is_answer = state == protocol::Door::Invitation { refused: true };
        if self.told.replace(state) != state || is_answer {
            (self.notify)(Notice::Door(state));
        }
    }

    async fn invitation(&self, refused: bool, stop: &Stop) -> Result<Token, Trouble> {
        let (sender, given) = oneshot::channel();
        self.waiting.replace(Some(sender));
        self.tell(protocol::Door::Invitation { refused });
        let given = stop.unless(given).await?;
        given.map_err(|_| trouble::cancelled())
    }

    /// Keeps a generation, so that the next visit knows it.
    async fn keep(&self, held: &Held, generation: u32) -> Result<(), Trouble> {
        held.set_generation(generation);
        self.tried_all.set(false);
        self.identity
            .keep_generation(&self.database, held.id(), generation)
            .await
    }
}

impl Owned {
    /// Finds the way into the vault after the token of this generation was refused: opens it, looks for
    /// the present token, or waits for an invitation.
    ///
    /// # Errors
    /// There is no way, storage refuses, or it was stopped.
    pub(super) async fn enter(&self, tried: u32) -> Result<(), Failure> {
        let door = &self.door;
        let _turn = self.stop.unless(door.turn.lock()).await?;
        if self.knows_better(tried) {
            return Ok(());
        }
        let mut refused = match self.put_vault(None).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if !may_be_rotated(&refused) {
            return Err(refused);
        }
        if self.look().await? {
            return Ok(());
        }
        while let Some(again) = wants_invitation(&refused) {
            let invitation = door.invitation(again, &self.stop).await?;
            match self.put_vault(Some(&invitation)).await {
                Ok(()) => return Ok(()),
                Err(failure) => refused = failure,
            }
        }
        door.tell(protocol::Door::Open);
        Err(refused)
    }

    /// Opens the vault with an invitation that nobody waited for.
    ///
    /// # Errors
    /// It is not good, storage refuses, or it was stopped.
    pub async fn invited(&self, invitation: &Token) -> Result<(), Trouble> {
        let opened = self.put_vault(Some(invitation)).await;
        if let Err(failure) = &opened
            && let Some(refused) = wants_invitation(failure)
        {
            self.door.tell(protocol::Door::Invitation { refused });
        }
        Ok(opened?)
    }

    /// Whether a vault that refuses the known token opens with another one, which is kept then.
    pub(super) async fn find_token(&self, tried: u32) -> Result<bool, Failure> {
        if self.door.tried_all.get() {
            // Nobody has to wait for an invitation to learn that.
            return Ok(self.knows_better(tried));
        }
        let _turn = self.stop.unless(self.door.turn.lock()).await?;
        Ok(self.knows_better(tried) || self.look().await?)
    }

    /// Puts the next generation's token in the place of the present one. Says which one is good now:
    /// another device may have been quicker.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped: then it may have been done, and is found out later.
    pub async fn rotate(&self) -> Result<u32, Trouble> {
        // Whatever happened elsewhere is known after this.
        self.vault_info().await?;
        let old = self.held.generation();
        if old >= GENERATION_LAST {
            return Err(trouble::rotated_out());
        }
        match self.rotate_from(old).await {
            Ok(()) => self.door.keep(&self.held, old + 1).await?,
            Err(failure) if failure.is(ProblemType::Unauthorized) => {
                if !self.find_token(old).await? {
                    return Err(failure.into());
                }
            }
            Err(failure) => return Err(failure.into()),
        }
        Ok(self.held.generation())
    }

    async fn rotate_from(&self, old: u32) -> Result<(), Failure> {
        let new = self.held.vault_token_of(old + 1);
        let wanted = TokenRotation {
            token_sha256: new.hash(),
        };
        let path = routes::owner_token(self.held.vault());
        let ask = self.ask_storage("PUT", path, http::to_json(&wanted)?, JSON);
        let ask = http::Ask {
            authorization: Some(self.held.vault_token_of(old).authorization()),
            ..ask
        };
        let answer = http::exchange(&ask, &self.stop, &self.reach).await;
        answer.map(drop)
    }

    /// Whether another task or tab has found the token meanwhile.
    fn knows_better(&self, tried: u32) -> bool {
        if let Ok(now) = self.door.identity.held()
            && now.id() == self.held.id()
            && now.generation() != tried
        {
            self.held.set_generation(now.generation());
        }
        self.held.generation() != tried
    }

    async fn put_vault(&self, invitation: Option<&Token>) -> Result<(), Failure> {
        let ask = http::Ask {
            invitation: invitation.map(Token::danger_reveal),
            ..self.ask_vault("PUT", self.held.generation())
        };
        http::exchange(&ask, &self.stop, &self.reach).await?;
        self.door.tried_all.set(false);
        self.door.tell(protocol::Door::Open);
        Ok(())
    }

    /// Tries the tokens of all generations, and then to finish a rotation that broke off in storage.
    async fn look(&self) -> Result<bool, Failure> {
        let door = &self.door;
        if door.tried_all.get() {
            return Ok(false);
        }
        let describe = async |generation| {
            let ask = self.ask_vault("GET", generation);
            let answer = http::exchange(&ask, &self.stop, &self.reach).await;
            accepted(answer.map(|_| generation))
        };
        let finish = async |old| accepted(self.rotate_from(old).await.map(|()| old + 1));
        let mut tried = 0;
        let mut answers = stream::iter(generations(self.held.generation()))
            .map(describe)
            .buffered(AT_A_TIME);
        while let Some(found) = answers.next().await {
            if let Some(generation) = found? {
                return self.found(generation).await;
            }
            tried += 1;
            let of = GENERATION_LAST;
            door.tell(protocol::Door::Looking { tried, of });
        }
        // From the last one on: the earlier ones are answered alike. Where none was begun, nothing is
        // changed.
        let mut answers = stream::iter((0..GENERATION_LAST).rev())
            .map(finish)
            .buffered(AT_A_TIME);
        while let Some(found) = answers.next().await {
            if let Some(generation) = found? {
                return self.found(generation).await;
            }
        }
        door.tried_all.set(true);
        door.tell(protocol::Door::Open);
        Ok(false)
    }

    async fn found(&self, generation: u32) -> Result<bool, Failure> {
        self.door.tell(protocol::Door::Open);
        self.door.keep(&self.held, generation).await?;
        Ok(true)
    }

    fn ask_vault(&self, method: &'static str, generation: u32) -> http::Ask<'static> {
        let path = routes::vault(self.held.vault());
        http::Ask {
            authorization: Some(self.held.vault_token_of(generation).authorization()),
            ..self.ask_storage(method, path, Body::Empty, JSON)
        }
    }
}

/// Nothing if a token was refused.
fn accepted(answer: Result<u32, Failure>) -> Result<Option<u32>, Failure> {
    match answer {
        Err(failure) if failure.is(ProblemType::Unauthorized) => Ok(None),
        other => other.map(Some),
    }
}

/// Where not everybody may open a vault, a token that is wrong and one that is new are answered alike.
fn may_be_rotated(failure: &Failure) -> bool {
    failure.is(ProblemType::Unauthorized)
        || failure.is(ProblemType::OpeningClosed)
        || wants_invitation(failure).is_some()
}

/// Whether an invitation is wanted, and if so, whether because the one that was given is not good.
fn wants_invitation(failure: &Failure) -> Option<bool> {
    if failure.is(ProblemType::InvitationNeeded) {
        Some(false)
    } else {
        failure.is(ProblemType::InvitationRefused).then_some(true)
    }
}
