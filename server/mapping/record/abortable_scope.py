"""The scope of one record, which knows whether the record was aborted."""

from server.mapping.model.scope import Loss, Scope, ScopeWrapper


class AbortableScope(ScopeWrapper):
    """Passes messages on, and notes that the record was aborted. `strict`: a lost value aborts it."""

    __slots__ = ("_strict", "aborted")

    def __init__(self, inner: Scope, *, strict: bool = False) -> None:
        super().__init__(inner)
        self._strict = strict
        self.aborted = False

    def abort(self, message: str) -> None:
        self.aborted = True
        self.report(message)

    def lose(self, loss: Loss, error: str | None = None) -> None:
        """Reports the vendor's message first, where there is one; our message says what would be right."""
        if not self._strict:
            super().lose(loss, error)
            return
        if error is not None:
            self.report(error)
        self.abort(f"{loss.sentence}. The record is not stored")
