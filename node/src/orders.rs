//! Charges and orders as lines of text, for the way to the authority's key and back, which has no network.

use crdt::revocation::{Charge, Order};

use crate::enrol::{EnrolError, from_text, to_text};

const CHARGE_PREFIX: &str = "greenline-charge:";
const ORDER_PREFIX: &str = "greenline-order:";

/// What a device would have the authority sign, as one line.
#[must_use]
pub fn charge_text(charge: &Charge) -> String {
    to_text(CHARGE_PREFIX, charge)
}

/// Reads a charge.
pub fn read_charge(text: &str) -> Result<Charge, EnrolError> {
    from_text("a charge", CHARGE_PREFIX, text)
}

/// What the authority signed, as one line.
#[must_use]
pub fn order_text(order: &Order) -> String {
    to_text(ORDER_PREFIX, order)
}

/// Reads an order. Whether it is this site's is seen when it is stated.
pub fn read_order(text: &str) -> Result<Order, EnrolError> {
    from_text("an order", ORDER_PREFIX, text)
}
