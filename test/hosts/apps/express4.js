import express from 'express4'
import { app } from '../express.js'

export default (store) => app(express, store)
