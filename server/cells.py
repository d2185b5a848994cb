"""What readers and the import language both know of the cells of a workbook."""


class DateCell(str):
    """A cell that holds a date, or a date with a time: its text is ISO 8601 and not what the sheet shows.

    A type that stores dates takes it as it is, and no `dateFormat` is asked. Every other type takes its text. A time
    without a date, and a duration, are plain texts.
    """

    __slots__ = ()
