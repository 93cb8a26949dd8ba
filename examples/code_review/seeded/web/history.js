"use strict";

const list = document.querySelector("#history");
const seen = [];

function remember(parcel) {
  if (seen.some((other) => other.code == parcel.code)) {
    return;
  }
  seen.push(parcel);
  const item = document.createElement("li");
  item.textContent = `${parcel.code}: ${parcel.place}`;
  list.append(item);
  if (seen.length === 10) {
    list.firstElementChild.remove();
  }
}
