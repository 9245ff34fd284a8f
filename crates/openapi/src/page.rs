//! The description as it is served, and the page on which people read it: Swagger UI, which comes with
//! the program, so that nothing is fetched from anywhere.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, web};
use darkroom_api::routes::DOCS;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;
use zip::result::ZipResult;

use crate::finish;

/// The page's scripts set styles by themselves and draw small pictures from data; nothing comes from
/// elsewhere, and nothing is asked elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What is taken out of Swagger UI's archive.
const TAKEN: [(&str, &str); 3] = [
    ("swagger-ui-bundle.js", SCRIPT),
    ("swagger-ui.css", STYLE),
    ("favicon-32x32.png", "image/png"),
];

/// What is our own.
const OWN: [(&str, &str, &str); 2] = [
    ("", HTML, include_str!("page/index.html")),
    ("start.js", SCRIPT, include_str!("page/start.js")),
];

/// A service's description of itself, and the page to read it where that is wanted.
#[derive(Debug)]
pub struct Description {
    json: web::Bytes,
    files: HashMap<&'static str, File>,
}

#[derive(Debug)]
struct File {
    media_type: &'static str,
    content: web::Bytes,
}

impl Description {
    /// Takes a document to serve.
    ///
    /// # Errors
    /// The page's files cannot be read.
    pub fn new(document: &OpenApi, with_page: bool) -> io::Result<Self> {
        Ok(Self {
            json: finish(document)?.to_string().into(),
            files: if with_page { files()? } else { HashMap::new() },
        })
    }

    /// The document.
    pub fn document(&self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("application/json")
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(self.json.clone())
    }

    /// A file of the page, by its name; the page where that is empty. `None` if there is no such file.
    pub fn file(&self, name: &str) -> Option<HttpResponse> {
        let file = self.files.get(name)?;
        let mut response = HttpResponse::Ok();
        response
            .content_type(file.media_type)
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((CACHE_CONTROL, "no-cache"));
        Some(response.body(file.content.clone()))
    }

    /// Sends whoever asks for the page without a slash to the one with it. `None` if there is no page.
    pub fn redirect(&self) -> Option<HttpResponse> {
        let there = (LOCATION, format!("{DOCS}/"));
        let page = self.files.get("");
        page.map(|_| {
            HttpResponse::PermanentRedirect()
                .insert_header(there)
                .finish()
        })
    }
}

fn files() -> ZipResult<HashMap<&'static str, File>> {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let folder = archive
        .file_names()
        .find_map(|name| name.strip_suffix(TAKEN[0].0))
        .unwrap_or_default()
        .to_owned();
    let own = OWN.map(|(name, media_type, text)| {
        let content = web::Bytes::from_static(text.as_bytes());
        (
            name,
            File {
                media_type,
                content,
            },
        )
    });
    let mut files = HashMap::from(own);
    for (name, media_type) in TAKEN {
        let mut content = Vec::new();
        archive
            .by_name(&format!("{folder}{name}"))?
            .read_to_end(&mut content)?;
        let content = content.into();
        files.insert(
            name,
            File {
                media_type,
                content,
            },
        );
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_page_names_is_there() {
        let description = Description::new(&OpenApi::default(), true).unwrap();
        let page = OWN[0].2;
        let named = page
            .split(['"'])
            .filter(|part| part.contains(".") && !part.contains("<"));
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), 4, "{named:?}");
        for name in named {
            assert!(description.file(name).is_some(), "{name}");
        }
        assert!(description.file("swagger-ui.js").is_none());
        let none = Description::new(&OpenApi::default(), false).unwrap();
        assert!(none.file("").is_none() && none.redirect().is_none());
    }
}
