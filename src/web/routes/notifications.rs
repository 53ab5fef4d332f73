//! What people outside are told.

use warp::Filter;

use super::Route;
use crate::model::notification::{ChannelView, DeliveryState, NotificationKind, NotificationQuery, NotificationView};
use crate::web::contract::paging::{PAGING, paged, paging};
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, asked, json};
use crate::web::server::any_of;

const KINDS: &[&str] = &["opened", "suspect_changed", "recovered", "merged"];
const STATES: &[&str] = &["waiting", "delivered", "given_up"];

const FILTERS: &[Param] = &[
    param("investigation_id", Kind::Text, "Of this investigation."),
    param("kind", Kind::Choices(KINDS), "Any of these."),
    param("channel", Kind::Texts, "With a delivery to any of these."),
    param("state", Kind::Choices(STATES), "With a delivery in any of these states; to that channel, where one is asked for."),
    param("from", Kind::Time, "Made at or after."),
    param("to", Kind::Time, "Made before."),
];

documents!(ListParams: FILTERS, PAGING);

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("notifications").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("notifications" / "channels").and(warp::get()).and(asked(api)).then(channels).boxed(),
    ])
}

/// What people were told, newest first, each with its deliveries.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", params(ListParams),
    responses((status = 200, body = Vec<NotificationView>)))]
pub async fn list(request: Request) -> Answer {
    let query = request.query(&[FILTERS, PAGING])?;
    let paging = paging(&query, "-made_at")?;
    let asked = NotificationQuery {
        investigation_id: query.text("investigation_id"),
        kind: query.choices("kind", NotificationKind::parse),
        channel: query.texts("channel"),
        state: query.choices("state", DeliveryState::parse),
        time: query.range("from", "to")?,
        paging: paging.clone(),
    };
    let page = request.api.read(move |reader| reader.notifications(&asked)).await?;
    paged(&page, &paging, &request.path, &request.query)
}

/// Who is told of investigations, and how that fares; empty where nobody is.
#[utoipa::path(get, path = "/api/v1/notifications/channels", tag = "notifications", responses((status = 200, body = Vec<ChannelView>)))]
pub async fn channels(request: Request) -> Answer {
    request.no_query()?;
    json(&request.api.parts.channels.channels())
}
