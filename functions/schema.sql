-- The examples' own tables. `tappet dev` runs this file at every start, so it may be run again.
create table if not exists orders (
  id         uuid primary key,
  email      text not null,
  total      numeric(12, 2) not null check (total > 0),
  status     text not null default 'placed' check (status in ('placed', 'paid', 'refunded')),
  created_at timestamptz not null default now()
);
