"""Files: uploaded, listed, read, and used as evidence."""

import io

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .sdk import InProcess, client, inside, run

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\xff" * 20


def uploader(sim):
    return stripe.StripeClient(
        sim.secret_key,
        http_client=InProcess(sim.app),
        base_addresses={"api": "http://stripe.test", "files": "http://stripe.test"},
        max_network_retries=0,
    )


async def upload(sim, content=PNG, name="receipt.png", purpose="dispute_evidence"):
    file = io.BytesIO(content)
    file.name = name
    return await uploader(sim).v1.files.create_async({"purpose": purpose, "file": file})


def test_a_file_is_uploaded_and_its_bytes_come_back_to_whoever_has_the_key():
    async def story(sim):
        file = await upload(sim)
        assert (file.type, file.size, file.filename) == ("png", len(PNG), "receipt.png")
        assert file.url == f"http://stripe.test/v1/files/{file.id}/contents"
        again = await client(sim).v1.files.retrieve_async(file.id)
        assert again.to_dict() == file.to_dict()
        path = f"/v1/files/{file.id}/contents"
        refused = await inside(sim, "GET", path)
        assert refused.status_code == 401
        headers = {"Authorization": f"Bearer {sim.secret_key}"}
        answer = await inside(sim, "GET", path, headers=headers)
        assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
        lost = await inside(sim, "GET", "/v1/files/file_nowhere", headers=headers)
        assert (lost.status_code, lost.json()["error"]["param"]) == (404, "file")

    run(story(Simulator()))


def test_files_are_listed_by_purpose():
    async def story(sim):
        logo = await upload(sim, purpose="business_logo")
        evidence = await upload(sim)
        listed = await client(sim).v1.files.list_async({})
        assert [file.id for file in listed.data] == [evidence.id, logo.id]
        listed = await client(sim).v1.files.list_async({"purpose": "business_logo"})
        assert [file.id for file in listed.data] == [logo.id]

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"plain words", "words.txt"), (b"", "empty.png"), (PNG + bytes(6 << 20), "large.png")],
)
def test_evidence_is_a_picture_or_a_document_of_a_sensible_size(content, name):
    async def story(sim):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await upload(sim, content, name)
        assert refused.value.param == "file"

    run(story(Simulator()))


def test_a_file_can_be_evidence_and_be_opened_from_the_dispute():
    async def story(sim):
        sim.acts.pay(2_000, "usd", card="pm_card_createDispute")
        [dispute] = (await client(sim).v1.disputes.list_async({})).data
        file = await upload(sim)
        dispute = await client(sim).v1.disputes.update_async(
            dispute.id, {"evidence": {"receipt": file.id}}
        )
        assert (dispute.status, dispute.evidence.receipt) == ("under_review", file.id)

    run(story(Simulator()))


def test_where_files_are_can_be_stripes_own_address():
    async def story(sim):
        file = await upload(sim)
        assert file.url == f"https://files.stripe.com/v1/files/{file.id}/contents"

    run(story(Simulator(settings=Settings(files_base="https://files.stripe.com"))))


def test_a_file_that_is_none_is_refused():
    async def story(sim):
        headers = {"Authorization": f"Bearer {sim.secret_key}"}
        for file in ({"file": "words"}, {"file[content]": "%%%"}, {"file[name]": "a.png"}):
            form = {"purpose": "business_logo", **file}
            answer = await inside(sim, "POST", "/v1/files", data=form, headers=headers)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")

    run(story(Simulator()))
