"""The files of a commit or of a DVC experiment, by its name."""

from contextlib import closing
from pathlib import Path

from clue_ner.common.errors import ArtifactError


def resolve(root: Path, name: str) -> tuple[str, str]:
    """The commit with the files of ``name``, and the commit that the experiment started from (else the same one).

    ``name`` is a DVC experiment, else anything that git resolves to a commit. Raises ArtifactError if it is neither,
    or if experiments of several commits have this name and none of them started from HEAD.
    """
    from dvc.exceptions import DvcException
    from dvc.repo.experiments.utils import exp_refs, resolve_name
    from dvc.scm import SCM, resolve_rev

    try:
        with closing(SCM(str(root))) as scm:
            experiment = resolve_name(scm, name)[name]
            commit = scm.get_ref(str(experiment)) if experiment else resolve_rev(scm, name)
            baselines = {scm.get_ref(str(ref)): ref.baseline_sha for ref in exp_refs(scm)}
    except DvcException as error:
        raise ArtifactError(
            f"{root}: {name!r} is neither a commit nor an experiment ({error}); `dvc exp list -A` lists the "
            "existing ones"
        ) from None
    return commit, baselines.get(commit, commit)


def read_file(root: Path, name: str, path: str) -> bytes:
    """A file of a commit or an experiment, from git or DVC's cache; raises ArtifactError if neither has it."""
    import dvc.api

    commit, _ = resolve(root, name)
    try:
        return bytes(dvc.api.read(path, repo=str(root), rev=commit, mode="rb"))
    except Exception as error:  # DVC does not wrap the errors of its index and storages
        raise ArtifactError(f"{name}: {path}: {error}; run `dvc pull` if it was run elsewhere") from None
