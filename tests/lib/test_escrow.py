import pytest

from wellkept.lib import escrow

CONTENT = {"repository": "local", "location": "/backups", "password": "päss"}


def test_every_recipient_opens_it_and_nobody_else() -> None:
    one, two, stranger = escrow.new_identity(), escrow.new_identity(), escrow.new_identity()
    sealed = escrow.seal(CONTENT, [one.public, two.public])
    assert sealed.startswith(escrow.HEADER)
    assert "päss" not in sealed
    assert escrow.unseal(sealed, one.private) == escrow.unseal(sealed, two.private) == CONTENT
    with pytest.raises(escrow.EscrowError, match="does not open"):
        escrow.unseal(sealed, stranger.private)


def test_any_changed_letter_is_noticed() -> None:
    identity = escrow.new_identity()
    sealed = escrow.seal(CONTENT, [identity.public])
    opened = 0
    for place in range(len(escrow.HEADER) + 1, len(sealed) - 40):
        letter = sealed[place]
        if letter == "\n":
            continue
        damaged = sealed[:place] + ("A" if letter != "A" else "B") + sealed[place + 1 :]
        try:
            escrow.unseal(damaged, identity.private)
            opened += 1
        except escrow.EscrowError:
            pass
    # Base64 pads its last letter: bits of it carry nothing.
    assert opened <= 1


def test_a_recipient_must_be_an_age_public_key() -> None:
    known = escrow.new_identity().public
    assert escrow.check_recipient(f"  {known}\n") == known
    for wrong in ("", "age1", "ssh-ed25519 AAAA", known[:-1], escrow.new_identity().private):
        with pytest.raises(escrow.EscrowError, match="not an age public key"):
            escrow.check_recipient(wrong)


def test_a_key_file_may_have_comments() -> None:
    made = escrow.new_identity()
    assert escrow.private_key_in(f"# mine\n\n{made.private}\n") == made.private
    assert escrow.identity_of(made.private) == made
    with pytest.raises(escrow.EscrowError, match="no private key"):
        escrow.private_key_in("# nothing here")


def test_a_private_key_never_shows_in_a_repr() -> None:
    made = escrow.new_identity()
    assert made.private not in repr(made)
