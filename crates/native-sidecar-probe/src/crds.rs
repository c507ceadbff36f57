//! `crds`: which custom resources lose the field because their schema does not have it.
//!
//! In go the definitions of the cluster, or files of them without a cluster; out come the pod
//! templates in their schemas that prune restartPolicy from an init container. A custom resource
//! whose schema was generated before Kubernetes 1.28 takes a native sidecar without an error and
//! stores a plain init container.

use std::io::Write;

use kube_api::Failure;
use serde_json::{Value, json};
use sidecar_runtime::Rejections;

use self::schema::{Place, Places};
use crate::access;
use crate::cli;
use crate::listing;
use crate::source;
use crate::status::Status;
use crate::table::{self, Table};

mod schema;

/// Of the JSON. Raised when a field changes its meaning or goes.
const SCHEMA: &str = "native-sidecar-probe/crds/v1";
const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// One file; the bundle of a large operator has about 5 MiB.
const FILE_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Files with definitions, instead of those of the cluster; - is stdin
    #[arg(long, short = 'f', value_name = "FILE", num_args = 1.., value_delimiter = ',')]
    file: Vec<String>,
    #[command(flatten)]
    output: table::OutputArgs,
    #[command(flatten)]
    access: access::Args,
}

/// What was looked at, and found.
#[derive(Debug, Default)]
struct Report {
    definitions: usize,
    places: Places,
    failure: Option<Failure>,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let output = args.output.read(rejections);
    let report = match args.file.is_empty() {
        true => of_cluster(&args.access, rejections),
        false => of_files(&args.file, rejections),
    };
    match (report, output) {
        (Ok(report), Some(output)) => {
            table::print(out, output.text(|| report.table(), || report.json()));
            report.status()
        }
        (Err(status), _) => status,
        (Ok(_), None) => Status::Rejected,
    }
}

fn of_cluster(access: &access::Args, rejections: &mut Rejections) -> Result<Report, Status> {
    let mut connection = access::api(access, rejections).ok_or(Status::Rejected)?;
    let places = |definition: Value| Some(schema::places(&definition));
    let listed = cli::ask(rejections, listing::collect(&mut connection.api, PATH, places))?;
    let mut report = Report::default();
    match listed {
        Ok(definitions) => definitions.into_iter().for_each(|places| report.add(places)),
        Err(failure) => report.failure = Some(failure),
    }
    Ok(report)
}

fn of_files(files: &[String], rejections: &mut Rejections) -> Result<Report, Status> {
    let limits = manifest::Limits {
        bytes_max: FILE_BYTES_MAX,
        depth_max: 200,
        nodes_max: 10_000_000,
        ..manifest::Limits::default()
    };
    let mut report = Report::default();
    for file in files {
        let text = rejections.parse("file", file, |path| source::read(path, FILE_BYTES_MAX));
        let read =
            |text: String| rejections.parse("file", file, |_| manifest::read(&text, &limits));
        let Some(documents) = text.and_then(read) else { continue };
        for object in documents.iter().flat_map(|document| document.objects()) {
            if object.value["kind"] == "CustomResourceDefinition" {
                report.add(schema::places(object.value));
            }
        }
    }
    if rejections.is_empty() { Ok(report) } else { Err(Status::Rejected) }
}

impl Report {
    fn add(&mut self, places: Places) {
        self.definitions += 1;
        self.places.list.extend(places.list);
        self.places.is_cut |= places.is_cut;
    }

    /// Places that prune, in versions that are in use.
    fn pruning(&self) -> impl Iterator<Item = &Place> {
        self.places.list.iter().filter(|place| place.prunes && place.is_in_use)
    }

    fn status(&self) -> Status {
        match &self.failure {
            Some(failure) if failure.is_unreachable() => Status::Unreachable,
            Some(_) => Status::Unknown,
            None if self.pruning().next().is_some() => Status::Stripped,
            None if self.places.is_cut => Status::Unknown,
            None => Status::Supported,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.status() {
            Status::Stripped => "PRUNED",
            Status::Supported => "KEPT",
            Status::Unreachable => "UNREACHABLE",
            _ => "UNKNOWN",
        }
    }

    fn remarks(&self) -> Vec<String> {
        let failure = self.failure.as_ref().map(|failure| net::with_causes(failure));
        let cut = "a schema is too large or too deep to be looked at as a whole";
        failure.into_iter().chain(self.places.is_cut.then(|| cut.to_owned())).collect()
    }

    fn missing_rules(&self) -> Vec<Value> {
        let is_forbidden = self.failure.as_ref().is_some_and(Failure::is_forbidden);
        let rule = json!({
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "verbs": ["get", "list"],
        });
        is_forbidden.then_some(rule).into_iter().collect()
    }

    fn table(&self) -> String {
        let mut table = Table::new(&["GROUP", "KIND", "VERSION", "PRUNED FROM"]);
        for place in self.pruning() {
            table.row([&place.group, &place.kind, &place.version, &place.path]);
        }
        let mut text = match table.is_empty() {
            true => String::new(),
            false => format!("{table}\n"),
        };
        text.push_str(&format!(
            "verdict  {}\nlooked   at {} definitions with {} pod templates\n",
            self.verdict(),
            self.definitions,
            self.places.list.len(),
        ));
        for remark in self.remarks() {
            text.push_str(&format!("note     {}\n", table::plain(&remark)));
        }
        for rule in self.missing_rules() {
            text.push_str(&format!("needs    {rule}\n"));
        }
        text
    }

    fn json(&self) -> Value {
        let places = self.places.list.iter().map(|place| {
            json!({
                "group": place.group,
                "kind": place.kind,
                "version": place.version,
                "inUse": place.is_in_use,
                "path": place.path,
                "prunes": place.prunes,
            })
        });
        json!({
            "schema": SCHEMA,
            "verdict": self.verdict(),
            "definitions": self.definitions,
            "places": places.collect::<Vec<_>>(),
            "remarks": self.remarks(),
            "missingRules": self.missing_rules(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec:
  group: example.com
  names: {kind: Sparkler}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        properties:
          containers: {type: array, items: {type: object}}
          initContainers: {type: array, items: {properties: {name: {type: string}}}}
";

    fn report(text: &str) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crd.yaml");
        std::fs::write(&path, text).unwrap();
        let mut rejections = Rejections::default();
        let files = [path.to_str().unwrap().to_owned()];
        of_files(&files, &mut rejections).unwrap()
    }

    #[test]
    fn files_of_definitions() {
        let pruning = report(&format!("kind: Service\n---{OLD}"));
        assert_eq!(pruning.status(), Status::Stripped);
        let expected = "\
GROUP         KIND       VERSION   PRUNED FROM
example.com   Sparkler   v1        .initContainers

verdict  PRUNED
looked   at 1 definitions with 1 pod templates
";
        assert_eq!(pruning.table(), expected);
        assert_eq!(pruning.json()["places"][0]["prunes"], true);
        let keeping = OLD.replace("{name: {type: string}}", "{restartPolicy: {type: string}}");
        assert_eq!(report(&keeping).status(), Status::Supported);
        let mut rejections = Rejections::default();
        let refused = of_files(&["/nowhere".to_owned()], &mut rejections);
        assert_eq!(refused.unwrap_err(), Status::Rejected);
        assert!(!rejections.is_empty());
    }
}
