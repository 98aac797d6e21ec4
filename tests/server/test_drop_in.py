"""Clients that exist: the forms they send, and the clients themselves where they are installed
(pip: openai, huggingface_hub; npm: @huggingface/inference, openai, found through NODE_PATH)."""
import importlib.util
import json
import os
import shutil
import struct
import subprocess

import serving
from serving import SKIPPED, multipart, text_of


def test_hugging_face_form(room):
    ask = room.serve("--alias", "openai/clip-vit-base-patch32=tiny").client().call
    body = {"inputs": text_of(room.picture), "parameters": {"candidate_labels": ["cat", "dog", "boat"],
                                                            "hypothesis_template": "This is a photo of {}."}}
    for path in ("/models/tiny", "/models/openai/clip-vit-base-patch32", "/hf"):
        answers = ask("POST", path, body, expect=200).json
        assert {a["label"] for a in answers} == {"cat", "dog", "boat"}
        assert abs(sum(a["score"] for a in answers) - 1) < 1e-4
        assert [a["score"] for a in answers] == sorted((a["score"] for a in answers), reverse=True)
    body["inputs"] = {"image": body["inputs"]}
    assert ask("POST", "/hf", body, expect=200).json == answers
    ours = ask("POST", "/v1/classify", {"image": text_of(room.picture), "labels": ["cat", "dog", "boat"],
                                        "templates": ["This is a photo of {}."]}, expect=200).json
    assert [a["label"] for a in ours["results"][0]["answers"]] == [a["label"] for a in answers]
    ask("POST", "/models/nothing", body, expect=404)
    ask("POST", "/hf", {"inputs": "x"}, expect=400)
    ask("POST", "/hf", {"inputs": text_of(b"not a picture!"), "parameters": {"candidate_labels": ["a"]}}, expect=415)


def test_openai_form(room):
    ask = room.serve().client().call
    one = ask("POST", "/v1/embeddings", {"model": "tiny", "input": "a cat"}, expect=200).json
    assert one["data"][0]["index"] == 0 and one["usage"]["prompt_tokens"] == 4, one["usage"]
    packed = ask("POST", "/v1/embeddings", {"model": "tiny", "input": ["a cat", "a dog"], "encoding_format": "base64"},
                 expect=200).json
    import base64
    numbers = struct.unpack("<16f", base64.b64decode(packed["data"][0]["embedding"]))
    assert all(abs(a - b) < 1e-6 for a, b in zip(numbers, one["data"][0]["embedding"]))
    direct = ask("POST", "/v1/embed", room.picture, expect=200).json["embeddings"][0]
    uri = "data:image/png;base64," + text_of(room.picture)
    for body in ({"input": uri, "modality": "image"}, {"input": [uri]}, {"input": [{"image": text_of(room.picture)}]}):
        assert ask("POST", "/v1/embeddings", {"model": "tiny", **body}, expect=200).json["data"][0]["embedding"] == direct
    mixed = ask("POST", "/v1/embeddings", {"model": "tiny", "input": [{"text": "a cat"}, {"image": uri}]}, expect=200).json
    assert mixed["data"][0]["embedding"] == one["data"][0]["embedding"] and mixed["data"][1]["embedding"] == direct
    ask("POST", "/v1/embeddings", {"model": "none", "input": "a"}, expect=404)
    nothing = {"encoding_format": None, "dimensions": None, "user": None}
    assert ask("POST", "/v1/embeddings", {"model": "tiny", "input": "a cat", **nothing}, expect=200).json == one
    many = ask("POST", "/v1/embeddings", {"model": "tiny", "input": ["a cat"] * 2048}, expect=200).json
    assert len(many["data"]) == 2048 and many["data"][2047]["embedding"] == one["data"][0]["embedding"]
    ask("POST", "/v1/embeddings", {"model": "tiny", "input": ["a"] * 2049}, expect=400)
    long = ask("POST", "/v1/embeddings", {"model": "tiny", "input": ["a cat", "word " * 500]}, expect=200).json
    assert long["usage"]["truncated"] == 1 and one["usage"]["truncated"] == 0
    # what is a picture is never read as words, and what lies elsewhere is never fetched
    assert ask("POST", "/v1/embeddings", {"input": text_of(room.picture)}, expect=200).json["data"][0]["embedding"] == direct
    for other in ("https://example.org/a.jpg", ["a cat", "http://example.org/b"], {"image": "https://example.org/c.png"},
                  text_of(os.urandom(300))):
        ask("POST", "/v1/embeddings", {"model": "tiny", "input": other}, expect=422)
    for tokens in ([[1, 2], [3]], [1, 2]):
        said = ask("POST", "/v1/embeddings", {"model": "tiny", "input": tokens}, expect=400).json["error"]["message"]
        assert "tokens" in said, said
    said = ask("POST", "/v1/embeddings", {"model": "tiny", "input": "a", "encodingformat": "float"}, expect=422).json
    assert "encodingformat" in said["error"]["message"] and "encoding_format" in said["error"]["message"], said
    ask("POST", "/v1/embeddings", {"model": "tiny", "input": []}, expect=400)
    ask("POST", "/v1/embeddings", {"model": "tiny", "input": [1, 2, 3]}, expect=400)
    ask("POST", "/v1/embeddings", {"model": "tiny", "input": "a", "dimensions": 8}, expect=400)


def test_other_forms(room):
    """Infinity, Jina, Cohere and Ollama: the same vectors in other clothes."""
    ask = room.serve().client().call
    word = ask("POST", "/v1/embed", {"text": "a cat"}, expect=200).json["embeddings"][0]
    seen = ask("POST", "/v1/embed", room.picture, expect=200).json["embeddings"][0]
    uri = "data:image/png;base64," + text_of(room.picture)
    data = ask("POST", "/embeddings", {"model": "tiny", "input": [uri], "modality": "image"}, expect=200).json["data"]
    assert data[0]["embedding"] == seen
    jina = {"model": "tiny", "task": "retrieval.query", "normalized": True, "embedding_type": "float",
            "input": [{"text": "a cat"}, {"image": text_of(room.picture)}]}
    data = ask("POST", "/v1/embeddings", jina, expect=200).json["data"]
    assert [d["embedding"] for d in data] == [word, seen]
    cohere = {"model": "tiny", "input_type": "image", "embedding_types": ["float"]}
    assert ask("POST", "/v2/embed", {**cohere, "images": [uri]}, expect=200).json["embeddings"]["float"] == [seen]
    said = ask("POST", "/v2/embed", {**cohere, "texts": ["a cat"]}, expect=200).json
    assert said["embeddings"]["float"] == [word] and said["texts"] == ["a cat"]
    ask("POST", "/v2/embed", {**cohere, "texts": ["a"], "embedding_types": ["int8"]}, expect=422)
    assert set(ask("POST", "/v2/embed", {"model": "none", "texts": ["a"]}, expect=404).json) == {"message"}
    assert ask("POST", "/api/embed", {"model": "tiny", "input": ["a cat"]}, expect=200).json["embeddings"] == [word]
    wish = {"model": "tiny", "input": "a cat", "images": [text_of(room.picture)], "options": {}, "keep_alive": "5m"}
    assert ask("POST", "/api/embed", wish, expect=200).json["embeddings"] == [word, seen]
    assert set(ask("POST", "/api/embed", {"model": "none", "input": "a"}, expect=404).json) == {"error"}


def test_immich_form(room):
    server = room.serve("--alias", "ViT-B-32__openai=tiny")
    ask = server.client().call
    assert ask("GET", "/ping", expect=200).body == b"pong"
    assert ask("GET", "/", expect=200).json == {"message": "Immich ML"}

    def predict(entries, expect, files=(), fields=()):
        body, kind = multipart([("entries", json.dumps(entries).encode()), *fields], files)
        return ask("POST", "/predict", body, {"Content-Type": kind}, expect)

    name = {"modelName": "ViT-B-32__openai"}
    seen = predict({"clip": {"visual": name}}, 200, [("image", room.picture)]).json
    assert (seen["imageHeight"], seen["imageWidth"]) == (40, 48)
    direct = ask("POST", "/v1/embed", room.picture, expect=200).json["embeddings"][0]
    assert json.loads(seen["clip"]) == direct
    said = predict({"clip": {"textual": {**name, "options": {"language": "de"}}}}, 200, fields=[("text", "ein Hund".encode())])
    assert len(json.loads(said.json["clip"])) == 16
    assert predict({"clip": {"visual": name}}, 400).json == {"detail": "Either image or text must be provided"}
    assert predict({"clip": {}}, 422).json == {"detail": "Invalid request format."}
    assert predict({"clip": {"visual": {"modelName": "x"}}}, 500, [("image", room.picture)]).json == {
        "detail": "Failed to load model 'x'"}
    for broken in (b"no picture at all", room.picture[:20], b""):  # its job fails, and no other one does
        said = predict({"clip": {"visual": name}}, 200, [("image", broken)])
        assert said.json == {} and said.headers["X-No-Vector"] == "1", said.body
    assert "a photo was answered without a vector" in server.said()
    ask("POST", "/predict", b"{}", {"Content-Type": "application/json"}, 422)
    # what is not here is answered so that Immich goes on with what is
    faces = {"facial-recognition": {"detection": {"modelName": "buffalo_l"}, "recognition": {"modelName": "buffalo_l"}}}
    text = {"ocr": {"detection": {"modelName": "PP-OCRv5_mobile"}, "recognition": {"modelName": "PP-OCRv5_mobile"}}}
    assert predict(faces, 200, [("image", room.picture)]).json == {"facial-recognition": []}
    found = predict({**faces, **text, "clip": {"visual": name}}, 200, [("image", room.picture)])
    assert found.json == {**seen, "facial-recognition": [], "ocr": {"text": [], "box": [], "boxScore": [], "textScore": []}}
    assert "ocr" in found.headers["X-Not-Here"]
    assert predict({"pets": {}}, 422, [("image", room.picture)]).json == {"detail": "Invalid request format."}


def lacks(name):
    if importlib.util.find_spec(name):
        return False
    print(f"skipped: the Python package {name} is not installed")
    return True


def test_openai_python(room):
    if lacks("openai"):
        return SKIPPED
    import openai
    server = room.serve("--require-key")
    client = openai.OpenAI(api_key=room.key(), base_url=f"http://127.0.0.1:{server.port}/v1", max_retries=0)
    answer = client.embeddings.create(model="tiny", input=["a cat", "a dog"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) == 16
    plain = client.embeddings.create(model="tiny", input="a cat", encoding_format="float").data[0].embedding
    assert all(abs(a - b) < 1e-6 for a, b in zip(plain, answer.data[0].embedding))
    uri = "data:image/png;base64," + text_of(room.picture)
    seen = client.embeddings.create(model="tiny", input=uri, extra_body={"modality": "image"}).data[0].embedding
    assert client.embeddings.create(model="tiny", input=[uri]).data[0].embedding == seen != plain
    assert [m.id for m in client.models.list().data] == ["tiny"]
    try:
        client.embeddings.create(model="none", input="a")
        raise AssertionError("no error")
    except openai.NotFoundError as error:
        assert "there is no model" in str(error)
    try:
        client.with_options(api_key="wk_0_0").models.list()
        raise AssertionError("no error")
    except openai.AuthenticationError as error:
        assert "not known" in str(error)


def test_hugging_face_python(room):
    if lacks("huggingface_hub"):
        return SKIPPED
    from huggingface_hub import InferenceClient
    path = os.path.join(room.path, "p.png")
    with open(path, "wb") as file:
        file.write(room.picture)
    server = room.serve("--require-key")
    client = InferenceClient(model=f"http://127.0.0.1:{server.port}/models/tiny", token=room.key())
    for picture in (path, room.picture):
        answers = client.zero_shot_image_classification(picture, candidate_labels=["cat", "dog"],
                                                        hypothesis_template="a photo of a {}")
        assert {a.label for a in answers} == {"cat", "dog"} and answers[0].score >= answers[1].score


SCRIPT = """
const [port, file, key] = process.argv.slice(2);
const inputs = new Blob([require('fs').readFileSync(file)]);
(async () => {
  const { HfInference, InferenceClient } = await import(require.resolve('@huggingface/inference'));
  const Client = InferenceClient ?? HfInference;
  const answers = await new Client(key).zeroShotImageClassification({
    endpointUrl: `http://127.0.0.1:${port}/models/tiny`, model: 'tiny',
    inputs: { image: inputs }, parameters: { candidate_labels: ['cat', 'dog'] } });
  const OpenAI = require('openai').default ?? require('openai');
  const client = new OpenAI({ apiKey: key, baseURL: `http://127.0.0.1:${port}/v1` });
  const embedded = await client.embeddings.create({ model: 'tiny', input: 'a cat' });
  const uri = 'data:image/png;base64,' + require('fs').readFileSync(file).toString('base64');
  const seen = await client.embeddings.create({ model: 'tiny', input: [uri, 'a cat'] });
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  console.log(JSON.stringify({ answers, models, dims: [...embedded.data, ...seen.data].map(d => d.embedding.length) }));
})().catch(error => { console.error(error); process.exit(1); });
"""


def test_javascript(room):
    node = shutil.which("node")
    found = node and subprocess.run(
        [node, "-e", "require.resolve('@huggingface/inference'); require.resolve('openai')"],
        capture_output=True).returncode == 0
    if not found:
        print("skipped: node with @huggingface/inference and openai in NODE_PATH is not there")
        return SKIPPED
    script, picture = os.path.join(room.path, "ask.js"), os.path.join(room.path, "p.png")
    with open(script, "w") as file:
        file.write(SCRIPT)
    with open(picture, "wb") as file:
        file.write(room.picture)
    server = room.serve("--require-key")
    done = subprocess.run([node, script, str(server.port), picture, room.key()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {a["label"] for a in said["answers"]} == {"cat", "dog"} and said["dims"] == [16, 16, 16]
    assert said["models"] == ["tiny"]


if __name__ == "__main__":
    serving.main([test_hugging_face_form, test_openai_form, test_other_forms, test_immich_form, test_openai_python,
                  test_hugging_face_python, test_javascript])
