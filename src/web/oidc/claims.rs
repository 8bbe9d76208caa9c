//! From what a provider says of somebody to a user here: name, groups, the first grant that fits.

use serde_json::{Map, Value};

use super::{Refusal, Refused};
use crate::access::{Role, Scope, Subject, Vouched};
use crate::config::OidcPlan;

/// Who it is and what they may do.
///
/// # Errors
/// `Token` when a claim is missing, `Unmapped` when no grant fits.
pub(super) fn vouched(plan: &OidcPlan, said: &Map<String, Value>) -> Result<Vouched, Refused> {
    let text = |name: &str| said.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing = |name: &str| (Refusal::Token, format!("the provider tells no `{name}`"));
    let id = text("sub").ok_or_else(|| missing("sub"))?;
    let name = text(&plan.user_claim).ok_or_else(|| missing(&plan.user_claim))?;
    let groups = groups(said.get(&plan.groups_claim));
    let grant = plan.grants.iter().find(|grant| groups.contains(&grant.group.as_str()));
    let grant = grant.ok_or_else(|| {
        let told = format!("{name} ({id}) is in no group of `grants`; `{}` has {groups:?}", plan.groups_claim);
        (Refusal::Unmapped, told)
    })?;
    let role = Role::parse(grant.role).ok_or_else(|| (Refusal::Internal, format!("no role {}", grant.role)))?;
    Ok(Vouched {
        subject: Subject { issuer: plan.issuer.clone(), id: id.to_owned() },
        name: name.to_owned(),
        role,
        scope: Scope { wards: grant.wards.clone(), cameras: grant.cameras.clone() },
    })
}

/// A list of words, or one word.
fn groups(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::GrantPlan;

    #[test]
    fn the_first_grant_that_fits_counts_and_no_other_name_or_group_does() {
        let grant = |group: &str, role: &'static str, wards: Option<&[&str]>| GrantPlan {
            group: group.to_owned(),
            role,
            wards: wards.map(|wards| wards.iter().map(|ward| (*ward).to_owned()).collect()),
            cameras: None,
        };
        let plan = OidcPlan {
            issuer: "https://login.example.org".to_owned(),
            client_id: "vantage".to_owned(),
            client_secret: None,
            page_url: "https://vantage.example.org".to_owned(),
            name: None,
            scopes: Vec::new(),
            user_claim: "preferred_username".to_owned(),
            groups_claim: "groups".to_owned(),
            grants: vec![grant("chiefs", "administrator", None), grant("north", "operator", Some(&["north"]))],
        };
        let of = |said: Value| vouched(&plan, said.as_object().unwrap());
        let both = of(json!({"sub": "7", "preferred_username": "an", "groups": ["x", "north", "chiefs"]})).unwrap();
        assert_eq!((both.role, both.scope.is_all()), (Role::Administrator, true));
        let one = of(json!({"sub": "8", "preferred_username": "binh", "groups": "north"})).unwrap();
        assert_eq!((one.role, one.scope.wards), (Role::Operator, Some(vec!["north".to_owned()])));
        for (said, why) in [
            (json!({"sub": "7", "preferred_username": "an"}), Refusal::Unmapped),
            (json!({"sub": "7", "preferred_username": "an", "groups": ["North", "nort"]}), Refusal::Unmapped),
            (json!({"sub": "7", "groups": ["north"]}), Refusal::Token),
            (json!({"preferred_username": "an", "groups": ["north"]}), Refusal::Token),
            (json!({"sub": 7, "preferred_username": "an", "groups": ["north"]}), Refusal::Token),
        ] {
            assert_eq!(of(said.clone()).unwrap_err().0, why, "{said}");
        }
    }
}
