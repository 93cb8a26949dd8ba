"use strict";

const answer = document.querySelector("#answer");

document.querySelector("#ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const code = new FormData(event.target).get("code");
  const response = await fetch(`/parcels/${encodeURIComponent(code)}`);
  const parcel = await response.json();
  if (!response.ok) {
    answer.textContent = parcel.error;
    return;
  }
  answer.innerHTML = `${parcel.code} was seen in <b>${parcel.place}</b>`;
  remember(parcel);
});
