import express from 'express'
import { app } from '../express.js'

export default (store) => app(express, store)
