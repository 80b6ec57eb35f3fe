"""Requests to Weights & Biases: GraphQL, its listings of an organisation, and what its refusals mean.

- That an organisation is null says only that this key does not see it: it is no proof of absence, and neither is that a
  registry is not listed.
- An answer with errors is an error, whatever data it has besides; where one page breaks, smaller ones are asked for.
"""

import json
from collections.abc import Iterator
from typing import Any

from adapters.errors import AuthError, InvalidError
from adapters.http import HttpClient
from adapters.payloads import Raw, part, parts, text
from adapters.served import ServiceClient
from adapters.wandb.config import WandbConfig
from adapters.wandb.keys import PREFIX

PAGE = 100
MOST_INPUTS = 100
"""Artifacts that a run used, of which a version tells."""
PROJECT = """
fragment WaypostProject on Project { name entity { name } }"""
SOURCE = """
fragment WaypostSource on Artifact {
  id versionIndex digest artifactType { name } artifactSequence { name project { ...WaypostProject } }
}"""
ORGANIZATION = """
query WaypostOrganization($organization: String!) {
  organization(name: $organization) { id name orgEntity { id name } }
}"""
REGISTRIES = """
query WaypostRegistries($organization: String!, $registryFilter: JSONString, $cursor: String, $perPage: Int) {
  organization(name: $organization) { orgEntity {
    found: projects(filters: $registryFilter, after: $cursor, first: $perPage) {
      pageInfo { endCursor hasNextPage }
      edges { node { id name description } }
    }
  } }
}"""
COLLECTIONS = f"""
query WaypostCollections(
  $organization: String!, $registryFilter: JSONString, $collectionFilter: JSONString, $cursor: String, $perPage: Int
) {{
  organization(name: $organization) {{ orgEntity {{
    found: artifactCollections(
      projectFilters: $registryFilter, filters: $collectionFilter, collectionTypes: [PORTFOLIO], after: $cursor,
      first: $perPage
    ) {{
      pageInfo {{ endCursor hasNextPage }}
      edges {{ node {{
        id name description createdAt updatedAt project {{ ...WaypostProject }} type: defaultArtifactType {{ name }}
        tags {{ edges {{ node {{ name }} }} }}
      }} }}
    }}
  }} }}
}}{PROJECT}"""
LINKS = f"""
query WaypostLinks(
  $organization: String!, $registryFilter: JSONString, $collectionFilter: JSONString, $cursor: String, $perPage: Int
) {{
  organization(name: $organization) {{ orgEntity {{
    found: artifactMemberships(
      projectFilters: $registryFilter, collectionFilters: $collectionFilter, after: $cursor, first: $perPage
    ) {{
      pageInfo {{ endCursor hasNextPage }}
      edges {{ node {{
        id versionIndex createdAt aliases {{ alias }} artifactCollection {{ id name project {{ ...WaypostProject }} }}
        artifact {{
          ...WaypostSource description metadata state size createdAt updatedAt tags {{ name }}
          usedBy {{ edges {{ node {{ name project {{ ...WaypostProject }} }} }} }}
          createdBy {{ __typename ... on Run {{
            name project {{ ...WaypostProject }}
            inputArtifacts(first: {MOST_INPUTS}) {{ edges {{ node {{ ...WaypostSource }} }} }}
          }} }}
        }}
      }} }}
    }}
  }} }}
}}{PROJECT}{SOURCE}"""
ARTIFACT = """
query WaypostArtifact($entity: String!, $project: String!, $name: String!) {
  project(name: $project, entityName: $entity) { artifactCollectionMembership(name: $name) { artifact { id } } }
}"""
LINK = "mutation WaypostLink($input: LinkArtifactInput!) { result: linkArtifact(input: $input) { versionIndex } }"
ADD = "mutation WaypostAddAliases($input: AddAliasesInput!) { result: addAliases(input: $input) { success } }"
DELETE = ADD.replace("AddAliases", "DeleteAliases").replace("addAliases", "deleteAliases")


class WandbClient(ServiceClient):
    """One organisation."""

    def __init__(self, config: WandbConfig) -> None:
        self.config = config
        super().__init__(HttpClient(config.endpoint(config.url, auth=("api", config.api_key))), PAGE)

    def organization(self, query: str = ORGANIZATION, **variables: Any) -> Raw:
        """What a query finds of the organisation. Errors: any `AdapterError`."""
        name = self.config.organization
        said = self.ask(query, {"organization": name, **variables})
        found = part(said, "organization")
        if not found:
            raise AuthError(
                f"{self.http.host} shows no organisation {name}: its name is wrong, or this key may not see it"
            )
        return found

    def listed(
        self, query: str, registry: str | None = None, collection: str | None = None
    ) -> Iterator[list[Raw]]:
        """Pages of a listing: of all registries or one, of all collections or one. Errors: any `AdapterError`."""
        filters = {"registryFilter": self._filter(registry)}
        if collection is not None:
            filters["collectionFilter"] = json.dumps({"name": collection})

        def read(cursor: str | None, size: int) -> tuple[list[Raw], str | None]:
            found = self.organization(query, cursor=cursor, perPage=size, **filters)
            page = part(found, "orgEntity", "found")
            more = part(page, "pageInfo")
            rows = [part(edge, "node") for edge in parts(page, "edges")]
            return rows, text(more, "endCursor") if more.get("hasNextPage") else None

        yield from self.portioned(read)

    def ask(self, query: str, variables: Raw) -> Raw:
        """The data of an answer. Errors: any `AdapterError`."""
        reads = not query.startswith("mutation")
        body = {"query": query, "variables": variables}
        said = self.http.call("POST", "/graphql", body=body, repeatable=reads).json()
        errors = "; ".join(text(one, "message") or "unknown" for one in parts(said, "errors"))
        if "permission" in errors.lower():
            raise AuthError(f"{self.http.host} refuses: {errors[:300]}")
        if errors or not isinstance(said, dict) or not isinstance(said.get("data"), dict):
            raise InvalidError(
                f"{self.http.host} answered with an error: {errors[:300] or 'no data'}", divisible=True
            )
        return part(said, "data")

    def _filter(self, registry: str | None) -> str:
        named = [registry] if registry is not None else list(self.config.registries)
        if not named:
            return json.dumps({"name": {"$regex": f"^{PREFIX}"}})
        return json.dumps({"$or": [{"name": f"{PREFIX}{one}"} for one in named]})
