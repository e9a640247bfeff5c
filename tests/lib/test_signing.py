from cryptography.fernet import Fernet

from wellkept.lib import crypt, signing

SEED = crypt.derive(Fernet.generate_key().decode(), "test")


def test_a_signature_fits_its_data_and_nothing_else() -> None:
    key, signature = signing.public_key(SEED), signing.sign({"b": 1, "a": "ü"}, SEED)
    assert signing.signed_by({"a": "ü", "b": 1}, signature, [key])
    for data, made in (({"a": "ü", "b": 2}, signature), ({"a": "ü", "b": 1}, "AAAA"), ({"a": "ü", "b": 1}, "not base64!"), ({"a": "ü", "b": 1}, "")):
        assert not signing.signed_by(data, made, [key])


def test_the_key_depends_on_the_seed_and_the_purpose() -> None:
    master = Fernet.generate_key().decode()
    keys = {signing.public_key(crypt.derive(master, purpose)) for purpose in ("one", "two")}
    assert len(keys | {signing.public_key(SEED)}) == 3
