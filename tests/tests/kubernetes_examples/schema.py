"""Validates every document of manifests against Kubernetes' schemas, unknown fields included.

Arguments: versions, `--`, files. Prints the newest version that there are schemas of, then a line
for each violation: file, version, kind, path, message, with tabs between them.
"""

import sys

import kubernetes_validate
import yaml

separator = sys.argv.index("--")
versions, files = sys.argv[1:separator], sys.argv[separator + 1 :]
print(kubernetes_validate.latest_version())
for file in files:
    with open(file, encoding="utf-8") as text:
        documents = [document for document in yaml.safe_load_all(text) if document]
    for document in documents:
        for version in versions:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError as error:
                print(file, version, document["kind"], "", error.message, sep="\t")
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(step) for step in error.path)
                print(file, version, document["kind"], path, error.message, sep="\t")
