create table "session" (
  "sid" varchar collate "default" not null primary key,
  "sess" json not null,
  "expire" timestamp(6) not null
);

create index "IDX_session_expire" on "session" ("expire");
