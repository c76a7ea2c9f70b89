"""What kustomize makes of the overlays."""

import pytest

from tests.deploy.manifests import KUBERNETES, OVERLAYS, Document, rendered


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(KUBERNETES / "overlays" / request.param)


@pytest.fixture(scope="module")
def production() -> list[Document]:
    return rendered(KUBERNETES / "overlays" / "production")
