//! The README and the book in docs/: what they link to is there, and their commands do what they say.

mod ci;
mod daemon;
mod links;
mod messages;
mod reference;
mod session;
mod settings;
mod workflows;
