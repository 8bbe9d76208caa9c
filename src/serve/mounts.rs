//! Media factories and permissions: which URL shows what, and to whom.

use std::collections::HashMap;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_rtsp::RTSPAuthMethod;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{
    RTSP_PERM_MEDIA_FACTORY_ACCESS, RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, RTSP_TOKEN_MEDIA_FACTORY_ROLE, RTSPAuth,
    RTSPMediaFactory, RTSPServer, RTSPToken,
};

use super::clip::Clip;
use super::{Login, LoginScheme, ServedClip, ServedSource, feed};
use crate::base::{Error, ErrorKind, Result};
use crate::media::Codec;
use crate::media::element::require;

/// The role of a client that has not logged in.
const ANYBODY: &str = "anybody";
const APPSRC: &str = "clip";

/// Sets a server up for these clips.
pub(super) fn fill(server: &RTSPServer, clips: &[ServedClip]) -> Result<()> {
    check(clips)?;
    let mounts = server.mount_points().unwrap_or_default();
    let locked = clips.iter().any(|clip| clip.login.is_some());
    for clip in clips {
        let factory = factory(&clip.source)?;
        factory.set_shared(true);
        if locked {
            allow(&factory, clip.login.as_ref());
        }
        mounts.add_factory(&path(&clip.mount), factory);
    }
    server.set_mount_points(Some(&mounts));
    if locked {
        server.set_auth(Some(&guard(clips)));
    }
    Ok(())
}

fn path(mount: &str) -> String {
    format!("/{}", mount.trim_start_matches('/'))
}

fn check(clips: &[ServedClip]) -> Result<()> {
    let usage = |what: String| Err(Error::new(ErrorKind::Usage, what));
    let mut mounts = HashMap::new();
    let mut users = HashMap::new();
    let mut scheme = None;
    for clip in clips {
        let mount = path(&clip.mount);
        if mount.len() < 2 || mount.chars().any(char::is_whitespace) {
            return usage(format!("mount {:?} is no path such as /cam1", clip.mount));
        }
        if mounts.insert(mount.clone(), ()).is_some() {
            return usage(format!("two clips on {mount}"));
        }
        let Some(login) = &clip.login else { continue };
        if *scheme.get_or_insert(login.scheme) != login.scheme {
            return usage("basic and digest logins on one server".to_owned());
        }
        if users.insert(&login.user, &login.password).is_some_and(|password| *password != login.password) {
            return usage(format!("two passwords for the user {}", login.user));
        }
    }
    Ok(())
}

fn factory(source: &ServedSource) -> Result<RTSPMediaFactory> {
    let factory = RTSPMediaFactory::new();
    match source {
        ServedSource::File { path, loop_forever } => {
            let mut clip = Clip::open(path)?;
            if clip.next()?.is_none() {
                return Err(Error::new(ErrorKind::Corrupt, format!("{}: no picture in it", path.display())));
            }
            factory.set_launch(&launch_clip(clip.codec)?);
            let (path, caps, loop_forever) = (path.clone(), clip.caps.clone(), *loop_forever);
            factory.connect_media_configure(move |_, media| {
                let bin = media.element().downcast::<gst::Bin>().ok();
                let element = bin.and_then(|bin| bin.by_name_recurse_up(APPSRC));
                match element.and_then(|element| element.downcast::<AppSrc>().ok()) {
                    Some(source) => feed::attach(&source, path.clone(), &caps, loop_forever),
                    None => tracing::error!("a media without its source"),
                }
            });
        }
        ServedSource::TestPattern { width, height, fps } => {
            factory.set_launch(&launch_pattern(*width, *height, *fps)?);
        }
    }
    Ok(factory)
}

fn launch_clip(codec: &Codec) -> Result<String> {
    let Codec { parser, payloader, payloader_settings, .. } = codec;
    ["appsrc", parser, payloader].into_iter().try_for_each(require)?;
    Ok(format!("( appsrc name={APPSRC} ! {parser} ! {payloader} {payloader_settings} name=pay0 )"))
}

fn launch_pattern(width: u32, height: u32, fps: u32) -> Result<String> {
    if width == 0 || height == 0 || fps == 0 || width % 2 + height % 2 != 0 {
        return Err(Error::new(ErrorKind::Usage, format!("test pattern {width}x{height} at {fps} fps"))
            .help("width and height are even, and nothing is zero"));
    }
    ["videotestsrc", "x264enc", "h264parse", "rtph264pay"].into_iter().try_for_each(require)?;
    Ok(format!(
        "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},\
         framerate={fps}/1 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=1024 key-int-max={fps} ! \
         video/x-h264,profile=constrained-baseline ! h264parse ! rtph264pay config-interval=-1 pt=96 name=pay0 )"
    ))
}

/// Lets in whoever may watch. Everybody else may ask, and gets a challenge.
fn allow(factory: &RTSPMediaFactory, login: Option<&Login>) {
    let role = |name: &str, construct: bool| {
        let role = gst::Structure::builder(name)
            .field(RTSP_PERM_MEDIA_FACTORY_ACCESS.as_str(), true)
            .field(RTSP_PERM_MEDIA_FACTORY_CONSTRUCT.as_str(), construct)
            .build();
        factory.add_role_from_structure(&role);
    };
    role(ANYBODY, login.is_none());
    if let Some(login) = login {
        role(&role_of(login), true);
    }
}

/// Role names are structure names: letters and digits only.
fn role_of(login: &Login) -> String {
    let hex: String = login.user.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("user{hex}")
}

fn guard(clips: &[ServedClip]) -> RTSPAuth {
    let auth = RTSPAuth::new();
    let token = |role: &str| RTSPToken::builder().field(RTSP_TOKEN_MEDIA_FACTORY_ROLE, role).build();
    for login in clips.iter().filter_map(|clip| clip.login.as_ref()) {
        let password = login.password.expose();
        match login.scheme {
            LoginScheme::Basic => {
                auth.set_supported_methods(RTSPAuthMethod::Basic);
                auth.add_basic(&RTSPAuth::make_basic(&login.user, password), &token(&role_of(login)));
            }
            LoginScheme::Digest => {
                auth.set_supported_methods(RTSPAuthMethod::Digest);
                auth.add_digest(&login.user, password, &token(&role_of(login)));
            }
        }
    }
    let mut anybody = token(ANYBODY);
    auth.set_default_token(Some(&mut anybody));
    auth
}
