-- Names that mean other names, with who said so. A person's word goes before that of the settings.
CREATE TABLE aliases (
    name    TEXT NOT NULL,
    origin  TEXT NOT NULL,
    service TEXT NOT NULL,
    set_by  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    set_at  INTEGER NOT NULL,
    PRIMARY KEY (name, origin)
) WITHOUT ROWID;
